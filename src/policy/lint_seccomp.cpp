// policy: system calls that weaken a mode, rules that do nothing, lists that let nothing start.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "policy/lint.h"
#include "policy/names.h"

namespace pmos::policy {
namespace {

constexpr std::size_t kMaxShown = 4;

const std::set<std::string>& dangerous_calls() {
    static const std::set<std::string> kCalls = [] {
        const std::vector<std::string> entries{
            "@mount",        "@module", "@keyring",  "@raw-io", "@reboot",           "@swap",
            "@clock",        "@debug",  "@io-uring", "bpf",     "open_by_handle_at", "userfaultfd",
            "fanotify_init", "syslog"};
        return expand_syscalls(entries);
    }();
    return kCalls;
}

class SeccompLint {
  public:
    SeccompLint(const Profile& profile, std::vector<Diagnostic>& out) : p_(profile), out_(out) {}

    void allow();
    void rules();
    void libc();

  private:
    void dangerous(const std::set<std::string>& names, const Location& at);
    void rule(std::size_t index, const SyscallRule& rule);
    void say(Rule rule, const Location& at, std::string message, std::string fix,
             std::vector<Location> related = {}) {
        out_.push_back(finding(rule, at, std::move(message), std::move(fix), std::move(related)));
    }
    Location at(std::size_t index) const {
        return p_.where(fmt::format("seccomp/rules/{}", index));
    }

    const Profile& p_;
    std::vector<Diagnostic>& out_;
};

void SeccompLint::dangerous(const std::set<std::string>& names, const Location& at) {
    std::vector<std::string> bad;
    std::ranges::copy_if(names, std::back_inserter(bad),
                         [](const std::string& n) { return dangerous_calls().contains(n); });
    if (bad.empty()) return;
    const std::size_t more = bad.size() > kMaxShown ? bad.size() - kMaxShown : 0;
    bad.resize(bad.size() - more);
    say(Rule::dangerous_syscalls, at,
        fmt::format("this weakens the walls of the mode: {}{}", fmt::join(bad, ", "),
                    more == 0 ? "" : fmt::format(" and {} more", more)),
        "name the single calls that are needed");
}

void SeccompLint::allow() {
    for (std::size_t i = 0; i < p_.seccomp_allow.size(); ++i)
        dangerous(expand_syscalls(std::span(&p_.seccomp_allow[i], 1)),
                  p_.where(fmt::format("seccomp/allow/{}", i)));
}

void SeccompLint::rules() {
    std::map<std::string, std::size_t> decided;  // names, and the rule that decides
    for (std::size_t i = 0; i < p_.seccomp_rules.size(); ++i) {
        const auto& r = p_.seccomp_rules[i];
        rule(i, r);
        if (!r.names.empty() &&
            std::ranges::all_of(r.names, [&](const auto& name) { return decided.contains(name); }))
            say(Rule::unreachable_rule, at(i), "this rule is never reached",
                "remove it, or put it first", {at(decided.at(r.names.front()))});
        if (r.args.empty())
            for (const auto& name : r.names) decided.emplace(name, i);
    }
}

void SeccompLint::rule(std::size_t index, const SyscallRule& rule) {
    const bool allows = rule.verdict == verdict_allow();
    if (has_word(rule.names, "ioctl") && !allows &&
        std::ranges::any_of(rule.args,
                            [](const ArgTest& a) { return a.index == 1 && a.op == Compare::eq; }))
        say(Rule::high_bits, at(index),
            "the kernel ignores the high half of a request, this rule does not: it can be walked "
            "around",
            "use SCMP_CMP_MASKED_EQ with value 4294967295 and the request as valueTwo");
    if (!allows) return;
    dangerous({rule.names.begin(), rule.names.end()}, at(index));
    if (!rule.args.empty()) return;
    for (const std::string_view guarded : {"clone", "clone3", "unshare", "setns", "execveat",
                                           "ioctl", "personality", "socket", "socketpair"})
        if (has_word(rule.names, guarded))
            say(Rule::guard_overridden, at(index),
                fmt::format("this rule overrides the built-in guard of '{}'", guarded),
                "remove it unless the mode's purpose needs it");
}

void SeccompLint::libc() {
    const std::vector<std::string> required{std::string(required_syscalls())};
    const auto needed = expand_syscalls(required);
    for (std::size_t i = 0; i < p_.seccomp_rules.size(); ++i) {
        const auto& r = p_.seccomp_rules[i];
        if (r.verdict == verdict_allow() || !r.args.empty()) continue;
        for (const auto& name : r.names)
            if (needed.contains(name))
                say(Rule::libc_start, at(i),
                    fmt::format("pmos-init and every libc need '{}' to start or to end", name),
                    "remove it from the rule, or test an argument");
    }
    // What the required calls lack for a program that is linked dynamically.
    const auto allowed = expand_syscalls(p_.seccomp_allow);
    std::vector<std::string_view> missing;
    for (const std::string_view name : {"openat", "pread64"})
        if (!allowed.contains(std::string(name))) missing.push_back(name);
    if (!missing.empty())
        say(Rule::libc_start, p_.where("seccomp/allow"),
            fmt::format("a program that is linked dynamically cannot start without {}",
                        fmt::join(missing, " and ")),
            "add \"@file-system\" and \"@basic-io\", unless the program is static");
}

}  // namespace

bool weakens_walls(const std::string& syscall) { return dangerous_calls().contains(syscall); }

void lint_seccomp(const Profile& profile, std::vector<Diagnostic>& diagnostics) {
    SeccompLint lint(profile, diagnostics);
    lint.rules();
    lint.allow();
    lint.libc();
}

}  // namespace pmos::policy
