// policy: why a mode was refused something: the rule and the line. Asks no host.
#include "policy/explain.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/language.h"
#include "policy/names.h"

namespace pmos::policy {
namespace {

bool names(const SyscallRule& rule, const std::string& name) {
    return std::ranges::count(rule.names, name) != 0;
}

// The rule of the profile that refuses this call: by its arguments, or without them the first that
// allows it not.
Explanation by_rule(const Profile& profile, const std::string& name, const SyscallData* call) {
    const auto rule = std::ranges::find_if(profile.seccomp_rules, [&](const SyscallRule& r) {
        return names(r, name) && (call != nullptr ? holds(r, *call) : r.verdict != verdict_allow());
    });
    if (rule == profile.seccomp_rules.end() || rule->verdict == verdict_allow()) return {};
    const auto at = rule - profile.seccomp_rules.begin();
    return {.rule = "seccomp-rule",
            .what = name,
            .why = "a rule of the profile refuses it",
            .at = profile.where(fmt::format("seccomp/rules/{}", at))};
}

// A guard that no argument gets past.
bool is_barred(const std::string& name) {
    const auto guards = guard_rules();
    const auto first =
        std::ranges::find_if(guards, [&](const SyscallRule& rule) { return names(rule, name); });
    return first != guards.end() && first->args.empty();
}

bool is_guarded(const std::string& name) {
    return std::ranges::any_of(guard_rules(),
                               [&](const SyscallRule& rule) { return names(rule, name); });
}

bool is_allowed(const Profile& profile, const std::string& name) {
    auto entries = profile.seccomp_allow;
    entries.emplace_back(required_syscalls());
    return expand_syscalls(entries).contains(name);
}

// "socket(0x10, _, 0x0)": the arguments that somebody looks at.
std::string with_arguments(const std::string& name, std::uint32_t tested, const SyscallData& call) {
    std::string text;
    for (unsigned i = 0; i < 6 && tested >> i != 0; ++i)
        text += fmt::format("{}{}", i == 0 ? "" : ", ",
                            (tested >> i & 1U) != 0 ? fmt::format("{:#x}", call.args[i]) : "_");
    return tested == 0 ? name : fmt::format("{}({})", name, text);
}

Explanation explain_call(const Profile& profile, const Arch& arch, std::uint32_t number,
                         const SyscallData* call) {
    const std::string name = syscall_name(arch, number);
    const Location allow = profile.where("seccomp/allow");
    if (name.empty())
        return {.rule = "seccomp-unknown",
                .what = fmt::format("system call {}", number),
                .why = "this build's table does not know it; newer ones get ENOSYS",
                .at = allow};
    if (auto found = by_rule(profile, name, call); !found.rule.empty()) return found;
    if (is_barred(name))
        return {.rule = "seccomp-guard",
                .what = name,
                .why = "a built-in guard refuses it",
                .at = allow,
                .fix = "decide it by a rule in seccomp/rules, which comes before the guards"};
    if (!is_allowed(profile, name))
        return {.rule = "seccomp-not-allowed",
                .what = name,
                .why = "nothing in seccomp/allow names it",
                .at = allow,
                .fix = fmt::format("add \"{}\" to seccomp/allow", name),
                .key = "seccomp/allow",
                .value = name};
    if (is_guarded(name))
        return {.rule = "seccomp-guard",
                .what = name,
                .why = "allowed, but a built-in guard refuses these arguments",
                .at = allow,
                .fix = "decide it by a rule in seccomp/rules, which comes before the guards"};
    return {.rule = "seccomp-changed",
            .what = name,
            .why = "the profile allows it now; the mode was started with another",
            .at = allow,
            .fix = "restart the mode"};
}

}  // namespace

Explanation explain_refused_syscall(const Profile& profile, const Arch& arch,
                                    std::uint32_t number) {
    return explain_call(profile, arch, number, nullptr);
}

Explanation explain_refused_syscall(const Profile& profile, const Arch& arch,
                                    const SyscallData& call) {
    Explanation why = explain_call(profile, arch, call.nr, &call);
    why.what = with_arguments(why.what, tested_arguments(profile, arch, call.nr), call);
    return why;
}

std::uint32_t tested_arguments(const Profile& profile, const Arch& arch, std::uint32_t number) {
    const std::string name = syscall_name(arch, number);
    std::uint32_t tested = 0;
    const auto add = [&](const std::vector<SyscallRule>& rules) {
        for (const auto& rule : rules)
            if (names(rule, name))
                for (const auto& test : rule.args) tested |= 1U << test.index;
    };
    add(profile.seccomp_rules);
    add(guard_rules());
    return tested;
}

Explanation explain_foreign_syscall(const Profile& profile, std::uint32_t audit_arch,
                                    std::uint32_t number) {
    return {.rule = "seccomp-foreign",
            .what = fmt::format("system call {} of architecture {:#x}", number, audit_arch),
            .why = "programs of another architecture are ended",
            .at = profile.where("seccomp")};
}

Explanation explain_refused_device(const Profile& profile, std::span<const HostDevice> devices,
                                   bool block, std::uint32_t major, std::uint32_t minor) {
    const auto found = std::ranges::find_if(devices, [&](const HostDevice& d) {
        return d.block == block && d.major == major && d.minor == minor;
    });
    if (found == devices.end())
        return {.rule = "device-unknown",
                .what = fmt::format("{} device {}:{}", block ? "block" : "character", major, minor),
                .why = "it is of no class that a mode can be granted",
                .at = profile.where("devices")};
    const auto key = "devices/" + found->device_class;
    const KeySpec* spec = find_key(profile_language(), key);
    const bool can_be_written =
        spec != nullptr && std::ranges::count(split_list(spec->values), found->right) != 0;
    if (!can_be_written)
        return {.rule = "device-not-granted",
                .what = "/dev/" + found->path,
                .why = fmt::format("no right of a profile opens it: '{}' of the class '{}'",
                                   found->right, found->device_class),
                .at = profile.where(key)};
    return {
        .rule = "device-not-granted",
        .what = "/dev/" + found->path,
        .why = fmt::format("the profile does not grant the class '{}'", found->device_class),
        .at = profile.where(key),
        .fix = fmt::format("write \"{}\": \"{}\" in devices", found->device_class, found->right),
        .key = key,
        .value = found->right};
}

}  // namespace pmos::policy
