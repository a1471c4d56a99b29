// policy: what changes from one policy to another: modes that come, go, break or mean something
// else. Asks no host.
#include "policy/diff.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <tuple>

#include "policy/diff_parts.h"
#include "policy/language.h"
#include "policy/names.h"
#include "policy/score.h"

namespace pmos::policy {
namespace {

using Whole = std::shared_ptr<const Profile>;

Whole whole_profile(const ModePolicy& mode) { return mode.profile ? mode.profile : mode.disputed; }

// A mode as one side has it: by one profile, by none, or by what cannot be read.
struct Found {
    const ModePolicy* policy = nullptr;
    bool twice = false;

    bool there() const { return policy != nullptr; }
    bool readable() const { return policy == nullptr || (!twice && whole_profile(*policy)); }
};

Found find(const DiffSide& side, const std::string& name) {
    Found out;
    for (const auto& mode : side.modes)
        if (mode.mode == name) {
            out.twice = out.policy != nullptr;
            out.policy = &mode;
        }
    return out;
}

std::string first_error(const ModePolicy& mode) {
    const auto it = std::ranges::find(mode.diagnostics, Severity::error, &Diagnostic::severity);
    return it == mode.diagnostics.end() ? "it cannot be read" : it->message;
}

class Differ {
  public:
    Differ(const DiffSide& a, const DiffSide& b)
        : a_(a),
          b_(b),
          facts_(whole_phone()),
          flows_a_(a.separation ? *a.separation : separate(a.modes, facts_, a.site)),
          flows_b_(b.separation ? *b.separation : separate(b.modes, facts_, b.site)) {}

    std::vector<Change> take() {
        site();
        std::set<std::string> names;
        for (const auto* side : {&a_, &b_})
            for (const auto& mode : side->modes) names.insert(mode.mode);
        for (const auto& name : names) mode(name);
        compare_flows(flows_a_, flows_b_, unknown_, out_);
        std::ranges::stable_sort(out_, {}, [](const Change& c) {
            return std::tuple(-static_cast<int>(c.danger),
                              c.turn == Turn::change ? Turn::loss : c.turn, c.kind, c.mode);
        });
        return std::move(out_);
    }

  private:
    void site() {
        const bool broken_a = has_errors_in(a_.site_findings),
                   broken_b = has_errors_in(b_.site_findings);
        if (!broken_a && !broken_b) return compare_site(a_, b_, out_);
        const auto& found = broken_b ? b_.site_findings : a_.site_findings;
        const auto& first = *std::ranges::find(found, Severity::error, &Diagnostic::severity);
        Change& change = out_.emplace_back();
        change.kind = ChangeKind::unreadable;
        change.turn = Turn::change;
        change.danger = Danger::severe;
        change.what = "site policy";
        change.words = fmt::format("the demands of the owner cannot be compared: {} ({})",
                                   first.message, to_text(first.at));
        (broken_b ? change.b : change.a) = first.at;
    }
    static bool has_errors_in(std::span<const Diagnostic> findings) {
        return std::ranges::find(findings, Severity::error, &Diagnostic::severity) !=
               findings.end();
    }

    void mode(const std::string& name) {
        const Found a = find(a_, name), b = find(b_, name);
        if (!a.readable() || !b.readable()) return unreadable(name, a, b);
        if (!a.there() || !b.there()) return alone(name, a, b);
        const auto p = whole_profile(*a.policy), q = whole_profile(*b.policy);
        compare(name, *p, *q, out_);
        started(name, *a.policy, *b.policy);
    }

    // Says so and says no more: neither side is taken for the other, or for nothing.
    void unreadable(const std::string& name, const Found& a, const Found& b) {
        unknown_.insert(name);
        const Found& broken = b.readable() ? a : b;
        Change& change = out_.emplace_back();
        change.mode = name;
        change.kind = ChangeKind::unreadable;
        change.turn = Turn::change;
        change.danger = Danger::severe;
        change.what = name;
        change.words =
            fmt::format("{} cannot be compared: {} ({})", name,
                        broken.twice ? "two profiles have its name" : first_error(*broken.policy),
                        broken.policy->file);
        if (a.there()) change.a = Location{a.policy->file, 0, 0, ""};
        if (b.there()) change.b = Location{b.policy->file, 0, 0, ""};
    }

    // A mode that comes: all that it may. It is compared with one that may nothing.
    void alone(const std::string& name, const Found& a, const Found& b) {
        const Turn turn = a.there() ? Turn::loss : Turn::gain;
        const auto profile = whole_profile(*(a.there() ? a : b).policy);
        const auto plan = intended_plan(*profile, facts_);
        const auto exposure = score(*profile, plan);
        Change& change = out_.emplace_back();
        change.mode = name;
        change.kind = ChangeKind::mode;
        change.turn = turn;
        change.danger = turn == Turn::gain ? Danger::serious : Danger::none;
        change.what = name;
        change.words = fmt::format("the mode {} {} (exposure {:.1f} of 10)", name,
                                   pick(turn, "is new", "is gone"), exposure.of_ten());
        (a.there() ? change.a : change.b) = profile->where("mode");
        Profile nothing;
        nothing.mode = name;
        nothing.source.kind = Node::Kind::object;
        std::vector<Change> found;
        if (turn == Turn::gain)
            compare(name, nothing, *profile, found);
        else
            compare(name, *profile, nothing, found);
        for (auto& c : found) {
            const bool grant =
                c.turn == turn &&
                (c.kind == ChangeKind::capability || c.kind == ChangeKind::system_call ||
                 c.kind == ChangeKind::kernel || c.kind == ChangeKind::device ||
                 c.kind == ChangeKind::network || c.kind == ChangeKind::write ||
                 c.kind == ChangeKind::execute || c.kind == ChangeKind::read ||
                 c.kind == ChangeKind::storage || c.kind == ChangeKind::hook);
            if (!grant) continue;
            (a.there() ? c.b : c.a) = {};
            out_.push_back(std::move(c));
        }
    }

    void compare(const std::string& name, const Profile& p, const Profile& q,
                 std::vector<Change>& out) {
        const Half a = half(p, flows_a_), b = half(q, flows_b_);
        Teller t(a, b, name, out);
        for (const auto part :
             {compare_confinement, compare_rights, compare_calls, compare_reach, compare_devices,
              compare_network, compare_mounts, compare_storage, compare_hooks, compare_limits,
              compare_session, compare_process, compare_rest})
            part(t);
        exposure(t);
    }

    Half half(const Profile& p, const Separation& s) const {
        Half out{p, intended_plan(p, facts_), with_defaults(profile_language(), p.source), {}};
        const auto it = std::ranges::find(s.modes, p.mode, &ModeReach::mode);
        out.reach = it != s.modes.end() && !p.file.empty() ? it->accesses
                                                           : reach({p, out.plan, facts_, nullptr});
        return out;
    }

    static void exposure(Teller& t) {
        const auto a = score(t.a.profile, t.a.plan), b = score(t.b.profile, t.b.plan);
        if (a.points == b.points) return;
        t.say(ChangeKind::exposure, turn_of(a.points, b.points), Danger::none, "score",
              fmt::format("{}'s exposure {} from {:.1f} to {:.1f} of 10", t.m,
                          a.points < b.points ? "rises" : "falls", a.of_ten(), b.of_ten()),
              "mode");
    }

    // Whether pmosd would start it at all.
    void started(const std::string& name, const ModePolicy& a, const ModePolicy& b) {
        const bool was = a.profile != nullptr, is = b.profile != nullptr;
        if (was == is) return;
        Change& change = out_.emplace_back();
        change.mode = name;
        change.kind = ChangeKind::start;
        change.turn = turn_of(was, is);
        change.danger = is ? Danger::moderate : Danger::none;
        change.what = name;
        change.words = is ? fmt::format("{} is no longer refused: {}", name, first_error(a))
                          : fmt::format("{} is refused: {}", name, first_error(b));
        change.a = whole_profile(a)->where("mode");
        change.b = whole_profile(b)->where("mode");
    }

    const DiffSide &a_, &b_;
    const HostFacts facts_;
    const Separation flows_a_, flows_b_;
    std::set<std::string> unknown_;  // modes that a side cannot tell of
    std::vector<Change> out_;
};

}  // namespace

std::string some(const std::vector<std::string>& names, std::size_t most) {
    if (names.size() <= most) return fmt::format("{}", fmt::join(names, ", "));
    return fmt::format("{} and {} more", fmt::join(std::span(names).first(most), ", "),
                       names.size() - most);
}

std::string size_words(std::uint64_t bytes) {
    constexpr std::string_view kUnits[] = {"", "KiB", "MiB", "GiB", "TiB"};
    std::size_t unit = 0;
    while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < std::size(kUnits)) {
        bytes /= 1024;
        ++unit;
    }
    return fmt::format("{}{}", bytes, unit == 0 ? " bytes" : kUnits[unit]);
}

std::string time_words(std::uint64_t ms) {
    if (ms % 3'600'000 == 0 && ms != 0) return fmt::format("{}h", ms / 3'600'000);
    if (ms % 60'000 == 0 && ms != 0) return fmt::format("{}min", ms / 60'000);
    return ms % 1000 == 0 ? fmt::format("{}s", ms / 1000) : fmt::format("{}ms", ms);
}

DiffSide diff_side(const PolicySet& set) {
    const auto with =
        std::ranges::find_if(set.modes, [](const auto& m) { return m.demands != nullptr; });
    return {set.modes, with == set.modes.end() ? nullptr : with->demands.get(), set.diagnostics,
            set.separation.get()};
}

std::vector<Change> diff(const DiffSide& a, const DiffSide& b) { return Differ(a, b).take(); }

bool has_unreadable(std::span<const Change> changes) {
    return std::ranges::find(changes, ChangeKind::unreadable, &Change::kind) != changes.end();
}

}  // namespace pmos::policy
