// policy: what flows between modes. Joins what each can reach by what it is. Asks no host.
#include "policy/separation.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "policy/names.h"

namespace pmos::policy {
namespace {

using Place = std::pair<Resource, std::string_view>;
using Places = std::map<Place, std::vector<End>>;

bool is_shared_kind(Resource kind) { return kind != Resource::counter; }

// A demand's `accept`: flows that the owner knows of.
struct Consent {
    std::string_view from, to, through;
    Location at;
};

std::vector<Consent> consents(const Node* site) {
    std::vector<Consent> out;
    const Node* list = site == nullptr ? nullptr : site->find("accept");
    if (list == nullptr) return out;
    for (const auto& item : list->items)
        out.push_back(
            {item.find("from")->text, item.find("to")->text, item.find("through")->text, item.at});
    return out;
}

class Joiner {
  public:
    Joiner(Separation& out, const Node* site) : out_(out), consents_(consents(site)) {}

    void join() {
        Places places;
        for (std::uint32_t m = 0; m < out_.modes.size(); ++m)
            for (std::uint32_t a = 0; a < out_.modes[m].accesses.size(); ++a) {
                const Access& access = out_.modes[m].accesses[a];
                if (is_shared_kind(access.kind))
                    places[{access.kind, access.resource}].push_back({m, a});
            }
        for (const auto& [place, ends] : places) {
            pairs(ends, ends, true);
            if (place.second.starts_with('/')) above(places, place.second, ends);
        }
        std::ranges::sort(out_.flows, {}, [&](const Flow& f) {
            return std::tuple(f.control, f.from.mode, f.to.mode, f.from.access, f.to.access);
        });
    }

  private:
    // Directories that hold this one, or this volume, image or program of the host: what is reached
    // there is reached here.
    void above(const Places& places, std::string_view path, const std::vector<End>& ends) {
        while (path.size() > 1) {
            path = path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
            const auto outer = places.find({Resource::tree, path});
            if (outer == places.end()) continue;
            pairs(outer->second, ends, false);
        }
    }
    // `same`: both are one list, each pair is met in both orders.
    void pairs(const std::vector<End>& some, const std::vector<End>& others, bool same) {
        for (const auto& a : some)
            for (const auto& b : others) {
                if (a.mode == b.mode) continue;
                flow(a, b);
                if (!same) flow(b, a);
            }
    }
    void flow(const End& from, const End& to) {
        const Access &s = out_.access(from), &r = out_.access(to);
        if (!s.sends() || !r.receives()) return;
        Flow f{from, to, s.by.empty() || r.by.empty() ? Control::open : Control::arbitrated, {}};
        if (f.control == Control::open)
            for (const auto& c : consents_)
                if (c.from == out_.modes[from.mode].mode && c.to == out_.modes[to.mode].mode &&
                    (c.through == s.resource || c.through == r.resource)) {
                    f.control = Control::consented;
                    f.consent = c.at;
                }
        out_.flows.push_back(std::move(f));
    }

    Separation& out_;
    const std::vector<Consent> consents_;
};

// The shortest way from one mode over others, by flows that nobody arbitrates. The owner may have
// accepted each of them, and yet not where they lead together.
class Ways {
  public:
    explicit Ways(Separation& out) : out_(out), next_(out.modes.size()) {
        for (const auto& f : out_.flows)
            if (f.control != Control::arbitrated &&
                std::ranges::find(next_[f.from.mode], f.to.mode) == next_[f.from.mode].end())
                next_[f.from.mode].push_back(f.to.mode);
    }

    void find() {
        for (std::uint32_t from = 0; from < next_.size(); ++from) search(from);
    }

  private:
    void search(std::uint32_t from) {
        constexpr auto kNone = UINT32_MAX;
        std::vector<std::uint32_t> before(next_.size(), kNone), queue{from};
        before[from] = from;
        for (std::size_t i = 0; i < queue.size(); ++i)
            for (const auto to : next_[queue[i]])
                if (before[to] == kNone) {
                    before[to] = queue[i];
                    queue.push_back(to);
                    if (queue[i] != from) keep(before, from, to);
                }
    }
    void keep(const std::vector<std::uint32_t>& before, std::uint32_t from, std::uint32_t to) {
        std::vector<std::uint32_t> way{to};
        while (way.back() != from) way.push_back(before[way.back()]);
        std::ranges::reverse(way);
        out_.indirect.push_back(std::move(way));
    }

    Separation& out_;
    std::vector<std::vector<std::uint32_t>> next_;
};

// What between.cpp finds by itself.
bool told_already(const Access& sender, const Access& receiver) {
    if (sender.kind != receiver.kind) return false;
    if (sender.kind == Resource::tree)
        return ((sender.rights | receiver.rights) & right_write) != 0;
    return sender.kind == Resource::device || sender.kind == Resource::image ||
           sender.kind == Resource::volume;
}

}  // namespace

bool Separation::has_open() const {
    return std::ranges::any_of(flows, [](const Flow& f) { return f.control == Control::open; });
}

std::vector<const Access*> Separation::counters(std::size_t mode) const {
    std::vector<const Access*> out;
    for (const auto& access : modes[mode].accesses)
        if (access.kind == Resource::counter && access.receives()) out.push_back(&access);
    return out;
}

Separation separate(std::span<const ModePolicy> modes, const HostFacts& facts, const Node* site) {
    Separation out;
    for (const auto& mode : modes) {
        const auto& profile = mode.profile ? mode.profile : mode.disputed;
        if (!profile) continue;
        const auto plan = intended_plan(*profile, facts);
        out.modes.push_back({mode.mode, reach({*profile, plan, facts, mode.demands.get()})});
    }
    Joiner(out, site).join();
    Ways(out).find();
    return out;
}

namespace {

Result<std::uint32_t> index_of(const Separation& s, const std::string& mode) {
    const auto it = std::ranges::find(s.modes, mode, &ModeReach::mode);
    if (it == s.modes.end())
        return fail(Code::unknown_mode, fmt::format("there is no mode '{}'", shown(mode)),
                    "or its profile is broken");
    return static_cast<std::uint32_t>(it - s.modes.begin());
}

std::string flow_words(const Separation& s, const Flow& f) {
    const Access &from = s.access(f.from), &to = s.access(f.to);
    return fmt::format(
        "{} '{}', {}{}", word_at(kResourceNames, to.kind), to.resource,
        word_at(kControlNames, f.control),
        f.control == Control::arbitrated ? " by " + (from.by.empty() ? to.by : from.by) : "");
}

}  // namespace

Result<Answer> ask_hears(const Separation& s, const std::string& to, const std::string& from) {
    PMOS_ASSIGN(const auto receiver, index_of(s, to));
    PMOS_ASSIGN(const auto sender, index_of(s, from));
    Answer answer{Ruling::refused,
                  "no-flow",
                  fmt::format("nothing flows from '{}' to '{}'", from, to),
                  {},
                  {},
                  "",
                  {}};
    for (const auto& f : s.flows) {
        if (f.from.mode != sender || f.to.mode != receiver) continue;
        answer.conditions.push_back(flow_words(s, f));
        // Those that nobody controls come first.
        if (answer.conditions.size() > 1) continue;
        const bool open = f.control == Control::open;
        answer.ruling = open ? Ruling::allowed : Ruling::depends;
        answer.rule = fmt::format("flow-{}", word_at(kControlNames, f.control));
        answer.why = fmt::format("'{}' hears '{}' through {}", to, from, flow_words(s, f));
        answer.at = open ? s.access(f.to).at
                         : (f.control == Control::consented ? f.consent : s.access(f.to).at);
    }
    return answer;
}

std::vector<Diagnostic> flow_findings(const Separation& separation) {
    // One for each mode that receives and each resource, whoever sends.
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<const Flow*>> found;
    for (const auto& f : separation.flows)
        if (f.control == Control::open &&
            !told_already(separation.access(f.from), separation.access(f.to)))
            found[{f.to.mode, f.to.access}].push_back(&f);
    std::vector<Diagnostic> out;
    for (const auto& [to, flows] : found) {
        constexpr std::size_t kMaxNames = 8;
        const Access& receiver = separation.access({to.first, to.second});
        std::vector<std::string_view> names;
        std::vector<Location> related;
        for (const Flow* f : flows) {
            if (names.size() == kMaxNames) break;
            names.push_back(separation.modes[f->from.mode].mode);
            related.push_back(separation.access(f->from).at);
        }
        const std::size_t more = flows.size() - names.size();
        out.push_back(finding(Rule::open_flow, receiver.at,
                              fmt::format("through {} '{}' mode '{}' hears {}{}",
                                          word_at(kResourceNames, receiver.kind), receiver.resource,
                                          separation.modes[to.first].mode, fmt::join(names, ", "),
                                          more == 0 ? "" : fmt::format(" and {} more", more)),
                              "close one end, or accept the flow in the site policy",
                              std::move(related)));
    }
    return out;
}

}  // namespace pmos::policy
