// policy: questions about system calls. Asks no host.
#include "policy/question.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "policy/explain.h"
#include "policy/names.h"
#include "policy/question_change.h"

namespace pmos::policy {
namespace {

std::uint32_t outcome(const Subject& s, const Arch& arch, std::uint32_t nr,
                      const std::array<std::uint64_t, 6>& args) {
    SyscallData data;
    data.nr = nr;
    data.arch = arch.audit;
    std::ranges::copy(args, data.args);
    return evaluate(from_bytes(s.plan.seccomp), data);
}

std::string test_words(const ArgTest& t) {
    constexpr std::string_view kOps[] = {"!=", "<", "<=", "==", ">=", ">"};
    if (t.op == Compare::masked_eq)
        return fmt::format("argument {} & {:#x} == {:#x}", t.index, t.value, t.value_two & t.value);
    return fmt::format("argument {} {} {:#x}", t.index, kOps[static_cast<std::size_t>(t.op)],
                       t.value);
}

// A value that passes the test.
std::uint64_t passing(const ArgTest& t) {
    switch (t.op) {
        case Compare::masked_eq:
            return t.value_two & t.value;
        case Compare::ne:
        case Compare::gt:
            return t.value + 1;
        case Compare::lt:
            return t.value - 1;
        default:
            return t.value;
    }
}

std::vector<SyscallRule> rules_for(const Profile& profile, const std::string& name) {
    std::vector<SyscallRule> out;
    for (const auto& rules : {profile.seccomp_rules, guard_rules()})
        for (const auto& rule : rules)
            if (has_word(rule.names, name)) {
                out.push_back(rule);
                if (rule.args.empty()) return out;
            }
    return out;
}

// Each case that a rule tells apart, with what the filter itself says of such a call.
std::vector<CallCase> cases(const Subject& s, const Arch& arch, std::uint32_t nr,
                            const std::vector<SyscallRule>& rules) {
    std::vector<CallCase> out;
    for (const auto& rule : rules) {
        if (rule.args.empty()) break;
        CallCase one;
        for (const auto& t : rule.args) one.args.at(t.index) = passing(t);
        one.words = tests_text(rule.args);
        out.push_back(std::move(one));
    }
    // What no rule speaks of: bits that no flag and no family uses.
    CallCase other;
    other.args.fill(std::uint64_t{0x40} | 0x50000000ULL << 32U);
    other.words = "otherwise";
    out.push_back(std::move(other));
    for (auto& one : out) one.verdict = outcome(s, arch, nr, one.args);
    return out;
}

// The entry of the allow list that lets a call in.
std::size_t entry_with(const Profile& profile, const std::string& name) {
    for (std::size_t i = 0; i < profile.seccomp_allow.size(); ++i)
        if (expand_syscalls(std::span(&profile.seccomp_allow[i], 1)).contains(name)) return i;
    return profile.seccomp_allow.size();
}

Answer allowed_call(const Subject& s, const std::string& name) {
    const auto entry = entry_with(s.profile, name);
    for (std::size_t i = 0; i < s.profile.seccomp_rules.size(); ++i)
        if (has_word(s.profile.seccomp_rules[i].names, name))
            return {Ruling::allowed,
                    "seccomp-rule",
                    "a rule of the profile allows it",
                    s.profile.where(fmt::format("seccomp/rules/{}", i)),
                    {},
                    "",
                    {}};
    if (entry == s.profile.seccomp_allow.size())
        return {Ruling::allowed,
                "seccomp-required",
                "pmos-init and every libc need it",
                s.profile.where("seccomp/allow"),
                {},
                "",
                {}};
    return {Ruling::allowed,
            "seccomp-allowed",
            fmt::format("'{}' allows it", s.profile.seccomp_allow[entry]),
            s.profile.where(fmt::format("seccomp/allow/{}", entry)),
            {},
            "",
            {}};
}

// {"names": [name], "action": "allow"}, before every other rule.
void allow_by_rule(Node& tree, const std::string& name) {
    Node rule, names;
    names.kind = Node::Kind::array;
    names.items.push_back(text_node(name));
    rule.kind = Node::Kind::object;
    rule.members.push_back({"names", {}, std::move(names)});
    rule.members.push_back({"action", {}, text_node("allow")});
    auto& rules = make_key(tree, "seccomp/rules", Node::Kind::array).items;
    rules.insert(rules.begin(), std::move(rule));
}

}  // namespace

std::string_view ruling_name(Ruling ruling) {
    constexpr std::string_view kNames[] = {"allowed", "refused", "depends"};
    return kNames[static_cast<std::size_t>(ruling)];
}

HostFacts whole_phone() {
    HostFacts facts;
    facts.landlock_abi = 3;
    facts.apparmor = facts.cgroup_v2 = facts.time_namespace = facts.device_revocation = true;
    facts.cgroup_controllers = {"cpu", "io", "memory", "pids"};
    facts.filesystems = {"ext4", "erofs"};
    facts.device_mapper_targets = {"crypt", "verity", "integrity"};
    facts.devices = {{"gpu", "render", "dri/renderD128", false, 226, 128},
                     {"gpu", "full", "dri/card0", false, 226, 0},
                     {"camera", "capture", "video0", false, 81, 0},
                     {"gnss", "", "gnss0", false, 240, 0},
                     {"sensors", "", "iio:device0", false, 241, 0},
                     {"usb", "", "bus/usb/001/002", false, 189, 1}};
    return facts;
}

namespace {

Result<std::uint32_t> number_of(const Arch& arch, const std::string& name) {
    const auto nr = syscall_number(arch, name);
    if (nr && *nr <= arch.newest) return *nr;
    const auto near = nearest_syscall(name);
    return fail(Code::usage, fmt::format("no system call '{}' on {}", shown(name), arch.name), "",
                near.empty() ? "" : fmt::format("did you mean '{}'?", near));
}

Answer answer_for(const Subject& s, const std::string& name, std::uint32_t nr,
                  std::span<const CallCase> tried) {
    const auto is_allowed = [](const CallCase& c) { return c.verdict == verdict_allow().ret; };
    if (std::ranges::all_of(tried, is_allowed)) return allowed_call(s, name);
    const auto found = explain_refused_syscall(s.profile, *find_arch(s.facts.arch), nr);
    const auto ruling = std::ranges::any_of(tried, is_allowed) ? Ruling::depends : Ruling::refused;
    return {ruling, found.rule, found.why, found.at, {}, found.fix, {}};
}

}  // namespace

std::vector<CallCase> call_cases(const Subject& s, const Question& question) {
    const Arch& arch = *find_arch(s.facts.arch);
    const auto nr = syscall_number(arch, question.what);
    if (!nr || *nr > arch.newest) return {};
    if (!question.with_args) return cases(s, arch, *nr, rules_for(s.profile, question.what));
    CallCase one;
    std::ranges::copy(
        std::span(question.args).first(std::min(question.args.size(), one.args.size())),
        one.args.begin());
    one.verdict = outcome(s, arch, *nr, one.args);
    one.words = "with these arguments";
    return {one};
}

std::string tests_text(const std::vector<ArgTest>& tests) {
    std::vector<std::string> words;
    for (const auto& t : tests) words.push_back(test_words(t));
    return fmt::format("{}", fmt::join(words, " and "));
}

Result<Answer> ask_call(const Subject& s, const std::string& name,
                        std::span<const std::uint64_t> args) {
    PMOS_ASSIGN(const auto nr, number_of(*find_arch(s.facts.arch), name));
    return answer_for(s, name, nr,
                      call_cases(s, {Topic::syscall, name, "", {args.begin(), args.end()}, true}));
}

Result<Answer> ask_syscall(const Subject& s, const std::string& name) {
    const Arch& arch = *find_arch(s.facts.arch);
    PMOS_ASSIGN(const auto nr, number_of(arch, name));
    const auto rules = rules_for(s.profile, name);
    const auto tried = cases(s, arch, nr, rules);
    Answer answer = answer_for(s, name, nr, tried);
    if (rules.size() > 1 || (rules.size() == 1 && !rules.front().args.empty()))
        for (const auto& one : tried)
            answer.conditions.push_back(
                fmt::format("{}: {}", one.words, verdict_text(one.verdict)));
    if (answer.rule == "seccomp-not-allowed")
        weigh(s, answer, [&](Node& tree) {
            make_key(tree, "seccomp/allow", Node::Kind::array).items.push_back(text_node(name));
        });
    if (answer.rule == "seccomp-guard")
        weigh(s, answer, [&](Node& tree) { allow_by_rule(tree, name); });
    return answer;
}

}  // namespace pmos::policy
