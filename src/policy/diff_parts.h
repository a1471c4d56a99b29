// policy: what the parts of diff() share. Only its own files include it.
#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy/diff.h"
#include "policy/profile.h"
#include "policy/reach.h"
#include "policy/separation.h"

namespace pmos::policy {

// A mode as one side has it.
struct Half {
    const Profile& profile;
    LaunchPlan plan;  // that is meant
    Node whole;       // the tree with all defaults
    std::vector<Access> reach;

    Location where(std::string_view key) const { return profile.where(key); }
    // The text of a value, "" where there is none.
    std::string text(std::string_view key) const {
        const Node* node = whole.at_path(key);
        return node == nullptr ? "" : node->text;
    }
};

inline Turn opposite(Turn turn) {
    return turn == Turn::gain ? Turn::loss : turn == Turn::loss ? Turn::gain : turn;
}
// More is a gain.
template <class T>
Turn turn_of(const T& a, const T& b) {
    return a < b ? Turn::gain : b < a ? Turn::loss : Turn::change;
}

class Teller {
  public:
    Teller(const Half& from, const Half& to, std::string mode, std::vector<Change>& out)
        : a(from), b(to), m(std::move(mode)), out_(out) {}

    // `weight`: the danger of a gain, or of a change.
    Change& say(ChangeKind kind, Turn turn, Danger weight, std::string what, std::string words,
                Location at_a, Location at_b) {
        return out_.emplace_back(Change{m,
                                        kind,
                                        turn,
                                        turn == Turn::loss ? Danger::none : weight,
                                        std::move(what),
                                        {},
                                        std::move(words),
                                        std::move(at_a),
                                        std::move(at_b)});
    }
    // At the same key on both sides, or the nearest above it.
    Change& say(ChangeKind kind, Turn turn, Danger weight, std::string what, std::string words,
                std::string_view key) {
        return say(kind, turn, weight, std::move(what), std::move(words), a.where(key),
                   b.where(key));
    }

    const Half& a;
    const Half& b;
    const std::string m;  // the mode's name, for words

  private:
    std::vector<Change>& out_;
};

// One of two words: gained, or lost.
inline std::string_view pick(Turn turn, std::string_view gained, std::string_view lost) {
    return turn == Turn::loss ? lost : gained;
}
// A few names and how many more: "a, b and 3 more".
std::string some(const std::vector<std::string>& names, std::size_t most = 8);
// "64MiB" where it is whole, else bytes; of milliseconds "5s".
std::string size_words(std::uint64_t bytes);
std::string time_words(std::uint64_t ms);

void compare_calls(Teller& t);
void compare_reach(Teller& t);    // paths, kernel objects, numbers, arbitration
void compare_mounts(Teller& t);   // options, memory
void compare_storage(Teller& t);  // image, volumes
void compare_devices(Teller& t);
void compare_network(Teller& t);
void compare_process(Teller& t);      // arguments, environment, ids
void compare_rights(Teller& t);       // capabilities, resource limits of processes
void compare_confinement(Teller& t);  // namespaces, clocks, Landlock, AppArmor, /proc
void compare_limits(Teller& t);
void compare_session(Teller& t);
void compare_hooks(Teller& t);
// The keys that none of the above speaks of: by their values, as they are.
void compare_rest(Teller& t);
// Patterns of the language whose values the parts above compare.
std::span<const std::string_view> compared_keys();

void compare_site(const DiffSide& a, const DiffSide& b, std::vector<Change>& out);
// `unknown`: modes that one side does not know; nothing is said of their flows.
void compare_flows(const Separation& a, const Separation& b, const std::set<std::string>& unknown,
                   std::vector<Change>& out);

}  // namespace pmos::policy
