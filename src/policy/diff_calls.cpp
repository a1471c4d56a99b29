// policy: diff: what two filters make of every system call. Runs the filters, reads no host.
#include <fmt/format.h>
#include <linux/seccomp.h>

#include <map>
#include <optional>
#include <tuple>

#include "policy/arg_cases.h"
#include "policy/diff_parts.h"
#include "policy/lint.h"
#include "policy/names.h"

namespace pmos::policy {
namespace {

constexpr std::size_t kMaxSteps = 1 << 20;  // for the arguments of all calls together

// What decides a call on one side: rules in their order, up to one that always holds.
struct Decision {
    std::vector<const SyscallRule*> rules;
    std::vector<std::size_t> index;  // of the profile's rules; kGuard of a guard
    bool allowed = false;            // where no rule decides
};
constexpr std::size_t kGuard = SIZE_MAX;

class CallSide {
  public:
    CallSide(const Half& half, const Arch& arch, const std::vector<SyscallRule>& guards)
        : half_(half), arch_(arch), guards_(guards), program_(from_bytes(half.plan.seccomp)) {
        const auto& entries = half.profile.seccomp_allow;
        for (std::size_t i = 0; i < entries.size(); ++i)
            for (const auto& name : expand_syscalls(std::span(&entries[i], 1)))
                entry_.emplace(name, i);
        const std::string required(required_syscalls());
        for (const auto& name : expand_syscalls(std::span(&required, 1)))
            entry_.emplace(name, kGuard);
        for (const auto& [name, index] : entry_) names_.insert(name);
        for (const auto& rule : half.profile.seccomp_rules)
            names_.insert(rule.names.begin(), rule.names.end());
    }

    const std::set<std::string>& names() const { return names_; }

    Decision decision(const std::string& name) const {
        Decision d;
        d.allowed = entry_.contains(name);
        const auto take = [&](const std::vector<SyscallRule>& rules, bool own) {
            for (std::size_t i = 0; i < rules.size(); ++i) {
                if (!has_word(rules[i].names, name)) continue;
                d.rules.push_back(&rules[i]);
                d.index.push_back(own ? i : kGuard);
                if (rules[i].args.empty()) return;
            }
        };
        take(half_.profile.seccomp_rules, true);
        if (d.rules.empty() || !d.rules.back()->args.empty()) take(guards_, false);
        return d;
    }

    // By the filter, or by the rules where this architecture does not have the call.
    std::uint32_t verdict(const std::string& name, const Decision& d, const Args& args) const {
        SyscallData data;
        std::ranges::copy(args, data.args);
        if (const auto nr = syscall_number(arch_, name); nr && *nr <= arch_.newest) {
            data.nr = *nr;
            data.arch = arch_.audit;
            return evaluate(program_, data);
        }
        for (const auto* rule : d.rules)
            if (holds(*rule, data)) {
                // A guard whose verdict is zero leaves the decision to the allow list.
                if (rule->verdict.ret == 0) break;
                return rule->verdict.ret;
            }
        return d.allowed ? verdict_allow().ret : verdict_errno(EPERM).ret;
    }

    static bool guarded(const Decision& d, const Args& args) {
        SyscallData data;
        std::ranges::copy(args, data.args);
        for (std::size_t i = 0; i < d.rules.size(); ++i)
            if (holds(*d.rules[i], data))
                return d.index[i] == kGuard && d.rules[i]->verdict.ret != 0;
        return false;
    }

    Location place(const std::string& name, const Decision& d, const Args& args) const {
        SyscallData data;
        std::ranges::copy(args, data.args);
        for (std::size_t i = 0; i < d.rules.size(); ++i)
            if (d.index[i] != kGuard && holds(*d.rules[i], data))
                return half_.where(fmt::format("seccomp/rules/{}", d.index[i]));
        const auto entry = entry_.find(name);
        if (entry == entry_.end() || entry->second == kGuard) return half_.where("seccomp/allow");
        return half_.where(fmt::format("seccomp/allow/{}", entry->second));
    }

  private:
    const Half& half_;
    const Arch& arch_;
    const std::vector<SyscallRule>& guards_;
    const BpfProgram program_;
    std::map<std::string, std::size_t> entry_;  // of the allow list
    std::set<std::string> names_;
};

bool same_test(const ArgTest& a, const ArgTest& b) {
    return a.index == b.index && a.op == b.op && a.value == b.value && a.value_two == b.value_two;
}

bool same(const Decision& a, const Decision& b) {
    return a.allowed == b.allowed &&
           std::ranges::equal(a.rules, b.rules, [](const auto* x, const auto* y) {
               return x->verdict == y->verdict && std::ranges::equal(x->args, y->args, same_test);
           });
}

std::string case_words(const Decision& a, const Decision& b, const Args& args) {
    SyscallData data;
    std::ranges::copy(args, data.args);
    // The rule that only one side has says most.
    const SyscallRule* found[2] = {};
    for (std::size_t side = 0; side < 2; ++side)
        for (const auto* rule : (side == 0 ? a : b).rules)
            if (holds(*rule, data)) {
                found[side] = rule;
                break;
            }
    for (const auto* rule : {found[1], found[0]})
        if (rule != nullptr && !rule->args.empty()) return tests_text(rule->args);
    return "otherwise";
}

// allow, then errors, then death.
int rank(std::uint32_t ret) {
    if (ret == verdict_allow().ret) return 2;
    return (ret & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO ? 1 : 0;
}

std::string outcome_words(std::uint32_t ret) {
    if (rank(ret) != 1) return verdict_text(ret);
    const auto name = name_of(errno_names(), ret & SECCOMP_RET_DATA);
    return name.empty() ? verdict_text(ret) : std::string(name);
}

// `guarded`: a guard refuses it on the side that is narrower.
Danger weight_of(const std::string& name, bool guarded) {
    static const std::set<std::string> kService = [] {
        const std::string group = "@system-service";
        return expand_syscalls(std::span(&group, 1));
    }();
    if (guarded || weakens_walls(name)) return Danger::severe;
    return kService.contains(name) ? Danger::moderate : Danger::serious;
}

class CallDiff {
  public:
    explicit CallDiff(Teller& t)
        : t_(t),
          guards_(guard_rules()),
          a_(t.a, *find_arch(whole_phone().arch), guards_),
          b_(t.b, *find_arch(whole_phone().arch), guards_) {}

    void all() {
        std::set<std::string> names = a_.names();
        names.insert(b_.names().begin(), b_.names().end());
        for (const auto& name : names) call(name);
        for (auto& [key, group] : groups_) tell(group);
    }

  private:
    struct Difference {
        Args args{};
        std::uint32_t a = 0, b = 0;
    };
    struct Group {
        std::vector<std::string> names;
        std::uint32_t was = 0, is = 0;
        Danger weight{};
        Location a, b;
    };

    void call(const std::string& name) {
        const Decision a = a_.decision(name), b = b_.decision(name);
        if (same(a, b)) return;
        const auto cases = arg_cases(a.rules, b.rules, steps_);
        if (!cases.complete) undecided(name, a, b);
        std::vector<Difference> found;
        for (const auto& args : cases.found) {
            const auto was = a_.verdict(name, a, args), is = b_.verdict(name, b, args);
            if (was != is) found.push_back({args, was, is});
        }
        if (found.empty()) return;
        const auto alike = [&](const Difference& d) {
            return d.a == found[0].a && d.b == found[0].b;
        };
        if (found.size() == cases.found.size() && std::ranges::all_of(found, alike))
            whole(name, a, b, found[0]);
        else
            parts(name, a, b, found);
    }

    void undecided(const std::string& name, const Decision& a, const Decision& b) {
        t_.say(ChangeKind::unreadable, Turn::change, Danger::severe, name,
               fmt::format("{}: the rules for the system call {} differ, in too many ways to be "
                           "compared whole",
                           t_.m, name),
               a_.place(name, a, {}), b_.place(name, b, {}));
    }

    static bool guarded(const Decision& a, const Decision& b, const Difference& d) {
        return CallSide::guarded(rank(d.a) < rank(d.b) ? a : b, d.args);
    }

    // The same for all arguments: together with others that the same line opens or closes.
    void whole(const std::string& name, const Decision& a, const Decision& b, const Difference& d) {
        const auto at_a = a_.place(name, a, d.args), at_b = b_.place(name, b, d.args);
        const auto weight = weight_of(name, guarded(a, b, d));
        auto& group = groups_[{d.a, d.b, weight, at_a.pointer, at_b.pointer, at_a.file, at_b.file}];
        group.names.push_back(name);
        group.was = d.a;
        group.is = d.b;
        group.weight = weight;
        group.a = at_a;
        group.b = at_b;
    }

    void tell(Group& group) {
        const Turn turn = turn_of(rank(group.was), rank(group.is));
        const bool one = group.names.size() == 1;
        const auto names = some(group.names);
        std::string words;
        if (std::max(rank(group.was), rank(group.is)) == 2)
            words = fmt::format(
                "{} may {}make {}: {}", t_.m, pick(turn, "", "no longer "),
                one ? "the system call"
                    : fmt::format("{} {}system calls", group.names.size(), pick(turn, "more ", "")),
                names);
        else
            words = fmt::format("{}: the system call{} {} give{} {} instead of {}", t_.m,
                                one ? "" : "s", names, one ? "s" : "", outcome_words(group.is),
                                outcome_words(group.was));
        auto& change =
            t_.say(ChangeKind::system_call, turn, weight(group.was, group.is, group.weight),
                   one ? group.names[0] : fmt::format("{} calls", group.names.size()),
                   std::move(words), group.a, group.b);
        change.items = std::move(group.names);
    }

    // Not all that a refusal changes into is a grant.
    static Danger weight(std::uint32_t was, std::uint32_t is, Danger of_grant) {
        if (std::max(rank(was), rank(is)) == 2) return of_grant;
        return rank(was) == rank(is) ? Danger::none : Danger::slight;
    }

    void parts(const std::string& name, const Decision& a, const Decision& b,
               const std::vector<Difference>& found) {
        // By what came of it: the cases of each, in words.
        std::map<std::pair<std::uint32_t, std::uint32_t>,
                 std::pair<Difference, std::vector<std::string>>>
            outcomes;
        for (const auto& d : found) {
            auto& [first, words] =
                outcomes.try_emplace({d.a, d.b}, d, std::vector<std::string>{}).first->second;
            auto text = case_words(a, b, d.args);
            if (!has_word(words, text)) words.push_back(std::move(text));
        }
        for (const auto& [verdicts, entry] : outcomes) {
            const auto& [d, words] = entry;
            const Turn turn = turn_of(rank(d.a), rank(d.b));
            auto& change = t_.say(
                ChangeKind::system_call, turn, weight(d.a, d.b, weight_of(name, guarded(a, b, d))),
                name,
                fmt::format("{}: the system call {} gives {} instead of {} where {}", t_.m, name,
                            outcome_words(d.b), outcome_words(d.a), fmt::join(words, ", or ")),
                a_.place(name, a, d.args), b_.place(name, b, d.args));
            change.items = words;
        }
    }

    Teller& t_;
    const std::vector<SyscallRule> guards_;
    const CallSide a_, b_;
    std::size_t steps_ = kMaxSteps;
    std::map<std::tuple<std::uint32_t, std::uint32_t, Danger, std::string, std::string, std::string,
                        std::string>,
             Group>
        groups_;
};

void compare_told(Teller& t, bool was, bool is, const char* key, std::string_view what) {
    if (was == is) return;
    t.say(ChangeKind::denials, was ? Turn::gain : Turn::loss, Danger::slight, key,
          fmt::format("{}: {} {} told as events", t.m, what, was ? "no longer" : "now"), key);
}

}  // namespace

void compare_calls(Teller& t) {
    CallDiff(t).all();
    const Profile &a = t.a.profile, &b = t.b.profile;
    compare_told(t, a.seccomp_log, b.seccomp_log, "seccomp/flags",
                 "system calls that are refused are");
    compare_told(t, a.tell_arguments, b.tell_arguments, "denials/arguments",
                 "refusals that arguments decide are");
    compare_told(t, a.tell_capabilities, b.tell_capabilities, "denials/capabilities",
                 "capabilities that are refused are");
    compare_told(t, a.tell_landlock, b.tell_landlock, "denials/landlock",
                 "refusals of Landlock are");
}

}  // namespace pmos::policy
