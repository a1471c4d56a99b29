// policy: diff: what the owner demands of profiles and what it accepts, mode by mode. Asks no host.
#include <fmt/format.h>

#include <map>
#include <tuple>

#include "policy/diff_parts.h"
#include "policy/language.h"
#include "policy/names.h"
#include "policy/profile_reader.h"
#include "policy/syscalls.h"

namespace pmos::policy {
namespace {

constexpr std::string_view kEvery = "";  // a demand on every mode, also those to come

// One thing that is demanded of one mode: what is refused, or what must be.
struct Demand {
    std::string mode, key, value;
    auto operator<=>(const Demand&) const = default;
};
using Demands = std::map<Demand, Location>;

struct Flag {
    std::string_view key, words;
    Danger weight{};
};
constexpr Flag kFlags[] = {
    {"encrypted", "an encrypted volume, and nothing lasting elsewhere", Danger::severe},
    {"tpmThrottle", "that the TPM counts every wrong PIN", Danger::severe},
    {"verity", "a verified image", Danger::severe},
    {"noWritableShare", "no writable directory of the host", Danger::serious},
    {"execOnlyFromRoot", "execution from the image alone", Danger::serious},
    {"noSharedDevice", "no device that another mode has", Danger::serious},
    {"noSharedSegment", "no network that another mode has", Danger::serious},
    {"separate", "no flow to or from other modes", Danger::severe},
    {"separateIdRanges", "id ranges that do not overlap", Danger::none},  // always so
    {"production", "that nobody records it", Danger::moderate},
};

// Every value of a list in the language, but those that the demand admits.
std::vector<std::string> refused(std::string_view values, const Node& admitted) {
    std::vector<std::string> out;
    for (const auto value : split_list(values))
        if (std::ranges::none_of(admitted.items, [&](const Node& n) { return n.text == value; }))
            out.emplace_back(value);
    return out;
}

// The words that a class may have in a profile; a class of parts or services is granted by the
// broker, the services also one by one.
std::string rights_of(const std::string& device_class, const Node& admitted) {
    const std::string key = "devices/" + device_class;
    const KeySpec* spec = find_key(profile_language(), key);
    if (spec == nullptr) return "";
    std::string out(spec->values);
    const bool parts = (spec->types & (type_array | type_object)) != 0;
    if (parts && out.find("broker") == std::string::npos) out += "|broker";
    const KeySpec* service = find_key(profile_language(), key + "/[]");
    if (service != nullptr &&
        std::ranges::none_of(admitted.items, [](const Node& n) { return n.text == "broker"; }))
        out += fmt::format("|{}", service->values);
    return out;
}

class DemandReader {
  public:
    explicit DemandReader(const Node* site) {
        const Node* require = site == nullptr ? nullptr : site->find("require");
        if (require == nullptr) return;
        for (const auto& demand : require->items) {
            modes_ = {std::string(kEvery)};
            if (const Node* modes = demand.find("modes")) {
                modes_.clear();
                for (const auto& mode : modes->items) modes_.push_back(mode.text);
            }
            read(demand);
        }
    }
    Demands take() { return std::move(out_); }

  private:
    void add(std::string_view key, const std::string& value, const Location& at) {
        for (const auto& mode : modes_) out_.emplace(Demand{mode, std::string(key), value}, at);
    }

    void read(const Node& demand) {
        for (const auto& flag : kFlags)
            if (const Node* node = demand.find(flag.key); node != nullptr && node->boolean)
                add(flag.key, "", node->at);
        // Is a part of it.
        if (const Node* node = demand.find("encrypted"); node != nullptr && node->boolean)
            add("noWritableShare", "", node->at);
        for (const std::string_view key : {"unlock", "capabilities", "syscalls"})
            if (const Node* never = demand.at_path(std::string(key) + "/never"))
                for (const auto& item : never->items) refuse(key, item);
        if (const Node* admitted = demand.find("network"))
            for (const auto& kind : refused("none|loopback|direct|tunnel", *admitted))
                add("network", kind, admitted->at);
        if (const Node* admitted = demand.find("notifications"))
            for (const auto& told : refused(kNotificationsNames, *admitted))
                add("notifications", told, admitted->at);
        if (const Node* classes = demand.find("devices"))
            for (const auto& member : classes->members)
                for (const auto& right : refused(rights_of(member.key, member.value), member.value))
                    add("devices/" + member.key, right, member.value.at);
        // "freeze" asks for no more than nothing does, and what asks for "evict" for "suspend" as
        // well.
        if (const Node* node = demand.find("onLock"))
            for (auto least = lock_strength(node); least != OnLock::freeze;
                 least = static_cast<OnLock>(static_cast<int>(least) - 1))
                add("onLock", std::string(word_at(kOnLockNames, least)), node->at);
    }

    void refuse(std::string_view key, const Node& item) {
        if (key != "syscalls") return add(key, item.text, item.at);
        for (const auto& name : expand_syscalls(std::span(&item.text, 1))) add(key, name, item.at);
    }

    std::vector<std::string> modes_;
    Demands out_;
};

std::string demand_words(const std::string& key, const std::vector<std::string>& values) {
    const auto* flag = std::ranges::find(kFlags, key, &Flag::key);
    if (flag != std::end(kFlags)) return std::string(flag->words);
    const auto list = some(values);
    if (key == "onLock")
        return has_word(values, "evict") ? "that lock evicts its keys"
                                         : "that lock takes its keys out of memory";
    if (key == "unlock") return "that nothing of this opens its volumes: " + list;
    if (key == "network") return "no network of these: " + list;
    if (key == "notifications") return "that of notifications none of this is told: " + list;
    if (key == "capabilities") return "none of these capabilities: " + list;
    if (key == "syscalls") return "none of these system calls: " + list;
    return fmt::format("of {} none of these rights: {}", key.substr(key.find('/') + 1), list);
}

Danger demand_weight(const std::string& key) {
    const auto* flag = std::ranges::find(kFlags, key, &Flag::key);
    return flag != std::end(kFlags) ? flag->weight : Danger::serious;
}

// Demands of `some` that `others` does not make, by mode and key.
using Groups = std::map<std::tuple<std::string, std::string, std::string>,
                        std::pair<std::vector<std::string>, Location>>;
Groups only_in(const Demands& some, const Demands& others) {
    Groups out;
    for (const auto& [demand, at] : some) {
        if (others.contains(demand) ||
            others.contains({std::string(kEvery), demand.key, demand.value}))
            continue;
        // One line at a time, for it may have its own reason.
        auto& [values, place] = out[{demand.mode, demand.key, at.pointer}];
        if (!demand.value.empty()) values.push_back(demand.value);
        place = at;
    }
    return out;
}

void compare_demands(const DiffSide& a, const DiffSide& b, std::vector<Change>& out) {
    const auto was = DemandReader(a.site).take(), is = DemandReader(b.site).take();
    const auto top = [](const DiffSide& side) { return side.site ? side.site->at : Location{}; };
    const auto tell = [&](const Groups& groups, Turn turn) {
        for (const auto& [key, group] : groups) {
            const auto& [mode, name, pointer] = key;
            Change change;
            change.mode = mode;
            change.kind = ChangeKind::demand;
            change.turn = turn;
            change.danger = turn == Turn::gain ? demand_weight(name) : Danger::none;
            change.what = name;
            change.items = group.first;
            change.words = fmt::format(
                "the owner {} of {}: {}", turn == Turn::gain ? "no longer demands" : "now demands",
                mode == kEvery ? "every mode" : mode, demand_words(name, group.first));
            change.a = turn == Turn::gain ? group.second : top(a);
            change.b = turn == Turn::gain ? top(b) : group.second;
            out.push_back(std::move(change));
        }
    };
    tell(only_in(was, is), Turn::gain);
    tell(only_in(is, was), Turn::loss);
}

void compare_accepted(const DiffSide& a, const DiffSide& b, std::vector<Change>& out) {
    struct Entry {
        Location at;
        std::string why;
    };
    using Key = std::tuple<std::string, std::string, std::string>;
    const auto read = [](const DiffSide& side) {
        std::map<Key, Entry> entries;
        const Node* list = side.site == nullptr ? nullptr : side.site->find("accept");
        if (list == nullptr) return entries;
        for (const auto& item : list->items) {
            const Node* why = item.find("why");
            entries.emplace(
                Key{item.find("from")->text, item.find("to")->text, item.find("through")->text},
                Entry{item.at, why == nullptr ? "" : why->text});
        }
        return entries;
    };
    const auto was = read(a), is = read(b);
    const auto say = [&](const Key& key, Turn turn, Danger danger, std::string_view does,
                         const Location& at_a, const Location& at_b) {
        const auto& [from, to, through] = key;
        out.push_back({to,
                       ChangeKind::accepted,
                       turn,
                       danger,
                       through,
                       {},
                       fmt::format("the owner {} that {} hears {} through '{}'", does, to, from,
                                   shown(through)),
                       at_a,
                       at_b});
    };
    const auto top = [](const DiffSide& side) { return side.site ? side.site->at : Location{}; };
    for (const auto& [key, entry] : is)
        if (!was.contains(key)) say(key, Turn::gain, Danger::serious, "accepts", top(a), entry.at);
    for (const auto& [key, entry] : was) {
        const auto now = is.find(key);
        if (now == is.end())
            say(key, Turn::loss, Danger::none, "no longer accepts", entry.at, top(b));
        else if (now->second.why != entry.why)
            say(key, Turn::change, Danger::none, "gives another reason", entry.at, now->second.at);
    }
}

// One less is a call for help that is refused; one more lets the number be called in every state.
void compare_emergency(const DiffSide& a, const DiffSide& b, std::vector<Change>& out) {
    const Node none;
    const auto list = [&](const DiffSide& side) -> const Node& {
        const Node* node = side.site == nullptr ? nullptr : side.site->find("emergencyNumbers");
        return node == nullptr ? none : *node;
    };
    const auto tell = [&](const Node& some, const Node& others, Turn turn, std::string_view does) {
        for (const auto& number : some.items) {
            if (has_word(texts(&others), number.text)) continue;
            const auto words = fmt::format("'{}' {} called in every state", number.text, does);
            out.push_back({"",
                           ChangeKind::other,
                           turn,
                           Danger::moderate,
                           "emergencyNumbers",
                           {number.text},
                           words,
                           turn == Turn::loss ? number.at : others.at,
                           turn == Turn::loss ? others.at : number.at});
        }
    };
    tell(list(a), list(b), Turn::loss, "is no longer");
    tell(list(b), list(a), Turn::gain, "is");
}

}  // namespace

void compare_site(const DiffSide& a, const DiffSide& b, std::vector<Change>& out) {
    compare_demands(a, b, out);
    compare_accepted(a, b, out);
    compare_emergency(a, b, out);
}

}  // namespace pmos::policy
