// policy: diff: what flows from mode to mode. Asks no host.
#include <fmt/format.h>

#include <map>
#include <optional>
#include <tuple>

#include "policy/channels.h"
#include "policy/diff_parts.h"
#include "policy/names.h"

namespace pmos::policy {
namespace {

struct Seen {
    Control control{};
    std::string by;
    Location at;  // of the one that receives
};
struct Way {
    std::string from, to, kind, resource;
    auto operator<=>(const Way&) const = default;
};
using Flows = std::map<Way, Seen>;

Flows flows_of(const Separation& s, const std::set<std::string>& unknown) {
    Flows out;
    for (const auto& f : s.flows) {
        const auto &from = s.modes[f.from.mode].mode, &to = s.modes[f.to.mode].mode;
        if (unknown.contains(from) || unknown.contains(to)) continue;
        const auto [at, by] = passage_of(s, f);
        // The flows are in the order of their control: of several of one kind the worst is kept.
        out.emplace(Way{from, to, std::string(word_at(kResourceNames, at.kind)), at.resource},
                    Seen{f.control, std::string(by), s.access(f.to).at});
    }
    return out;
}

std::string control_words(const std::optional<Seen>& seen) {
    if (!seen) return "no flow";
    if (seen->control == Control::open) return "nobody stands between";
    if (seen->control == Control::consented) return "the owner accepts it";
    return seen->by + " stands between";
}

Danger weight_of(const std::optional<Seen>& seen) {
    if (!seen) return Danger::none;
    return seen->control == Control::open        ? Danger::severe
           : seen->control == Control::consented ? Danger::serious
                                                 : Danger::moderate;
}

// How free a flow is: no flow, arbitrated, accepted, open.
int freedom(const std::optional<Seen>& seen) {
    return seen ? 3 - static_cast<int>(seen->control) : 0;
}

// Flows into one mode through one thing that turn alike.
struct Group {
    std::vector<std::string> from;
    std::optional<Seen> a, b;
};
using Key = std::tuple<std::string, std::string, std::string, std::string, std::string>;

void tell(const Key& key, Group& group, std::vector<Change>& out) {
    const auto& [to, kind, resource, was, is] = key;
    const int before = freedom(group.a), after = freedom(group.b);
    Change change;
    change.mode = to;
    change.kind = ChangeKind::flow;
    change.turn = turn_of(before, after);
    change.danger = change.turn == Turn::loss ? Danger::none : weight_of(group.b);
    if (change.turn == Turn::change) change.danger = Danger::slight;
    change.what = resource;
    const auto senders = some(group.from);
    if (before == 0 || after == 0)
        change.words = fmt::format("{} {} {} through {} '{}': {}", to,
                                   after == 0 ? "no longer hears" : "hears", senders, kind,
                                   shown(resource), after == 0 ? "before, " + was : is);
    else
        change.words = fmt::format("{} hears {} through {} '{}': {}; before, {}", to, senders, kind,
                                   shown(resource), is, was);
    change.items = std::move(group.from);
    if (group.a) change.a = group.a->at;
    if (group.b) change.b = group.b->at;
    out.push_back(std::move(change));
}

// Modes that are reached over others.
using Indirect = std::map<std::pair<std::string, std::string>, std::vector<std::string>>;
Indirect indirect_of(const Separation& s) {
    Indirect out;
    for (const auto& way : s.indirect) {
        std::vector<std::string> names;
        for (const auto mode : way) names.push_back(s.modes[mode].mode);
        out.emplace(std::pair(names.front(), names.back()), names);
    }
    return out;
}

void compare_indirect(const Separation& a, const Separation& b, std::vector<Change>& out) {
    const auto was = indirect_of(a), is = indirect_of(b);
    const auto tell = [&](const Indirect& some, const Indirect& others, Turn turn) {
        for (const auto& [ends, way] : some) {
            if (others.contains(ends)) continue;
            out.push_back({ends.second,
                           ChangeKind::flow,
                           turn,
                           turn == Turn::gain ? Danger::serious : Danger::none,
                           ends.first,
                           way,
                           fmt::format("{} {} {} by way of others: {}", ends.second,
                                       turn == Turn::gain ? "hears" : "no longer hears", ends.first,
                                       fmt::join(way, " -> ")),
                           {},
                           {}});
        }
    };
    tell(is, was, Turn::gain);
    tell(was, is, Turn::loss);
}

}  // namespace

void compare_flows(const Separation& a, const Separation& b, const std::set<std::string>& unknown,
                   std::vector<Change>& out) {
    const auto was = flows_of(a, unknown), is = flows_of(b, unknown);
    std::set<Way> ways;
    for (const auto* side : {&was, &is})
        for (const auto& [way, seen] : *side) ways.insert(way);
    std::map<Key, Group> groups;
    const auto seen_in = [](const Flows& flows, const Way& way) -> std::optional<Seen> {
        const auto it = flows.find(way);
        return it == flows.end() ? std::nullopt : std::optional(it->second);
    };
    for (const auto& way : ways) {
        const auto before = seen_in(was, way), after = seen_in(is, way);
        const auto from = control_words(before), to = control_words(after);
        if (from == to) continue;
        auto& group = groups[{way.to, way.kind, way.resource, from, to}];
        group.from.push_back(way.from);
        group.a = before;
        group.b = after;
    }
    for (auto& [key, group] : groups) tell(key, group, out);
    if (unknown.empty()) compare_indirect(a, b, out);
}

}  // namespace pmos::policy
