// policy: a profile's system calls in the words of an OCI filter. See oci_export.h.
#include <array>
#include <map>
#include <set>

#include "policy/oci_export_parts.h"
#include "policy/syscall_filter.h"

namespace pmos::policy::oci {
namespace {

using Rules = std::vector<const SyscallRule*>;

bool lets_pass(const SyscallRule& rule, bool listed) {
    // Of no verdict of its own: as the list has it.
    return rule.verdict == verdict_allow() || (rule.verdict == Verdict{} && listed);
}

// First match wins, the profile's before the guards; what stands behind one without a test is never
// met.
std::map<std::string, Rules> by_name(const std::vector<SyscallRule>& own,
                                     const std::vector<SyscallRule>& guards) {
    std::map<std::string, Rules> out;
    for (const auto* rules : {&own, &guards})
        for (const auto& rule : *rules)
            for (const auto& name : rule.names) {
                auto& of = out[name];
                if (of.empty() || !of.back()->args.empty()) of.push_back(&rule);
            }
    return out;
}

void write_rule(JsonWriter& w, const std::string& name, const SyscallRule& rule) {
    constexpr std::array kOps{"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE",       "SCMP_CMP_EQ",
                              "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ"};
    w.compact(true).open_object().key("names").texts({name});
    w.key("action").text("SCMP_ACT_ALLOW").key("args").open_array();
    for (const auto& test : rule.args) {
        w.open_object().key("index").number(test.index).key("value").number(test.value);
        w.key("valueTwo").number(test.value_two);
        w.key("op").text(kOps[static_cast<std::size_t>(test.op)]).close();
    }
    w.close().close().compact(false);
}

}  // namespace

void write_filter(JsonWriter& w, const Profile& profile, std::vector<std::string>& unsaid) {
    std::vector<std::string> entries = profile.seccomp_allow;
    entries.emplace_back(required_syscalls());
    const auto listed = expand_syscalls(entries);
    const auto guards = guard_rules();
    const auto judged = by_name(profile.seccomp_rules, guards);

    std::vector<std::string> plain, loose;
    for (const auto& name : listed)
        if (!judged.contains(name)) plain.push_back(name);
    w.key("seccomp").open_object().key("defaultAction").text("SCMP_ACT_ERRNO");
    w.key("defaultErrnoRet").number(1).key("syscalls").open_array();
    for (const auto& [name, rules] : judged) {
        const bool in_list = listed.contains(name);
        const bool at_last =
            rules.back()->args.empty() ? lets_pass(*rules.back(), in_list) : in_list;
        const auto tests = [&](const SyscallRule& rule, bool passes) {
            return !rule.args.empty() && lets_pass(rule, in_list) == passes;
        };
        const bool refuses = std::ranges::any_of(
            rules, [&](const SyscallRule* rule) { return tests(*rule, false); });
        if (at_last) plain.push_back(name);
        // An OCI filter has no order: of a call that passes otherwise it refuses no arguments.
        if (refuses && (at_last || std::ranges::any_of(rules, [&](const SyscallRule* rule) {
                            return tests(*rule, true);
                        })))
            loose.push_back(name);
        if (at_last) continue;
        for (const auto* rule : rules)
            if (tests(*rule, true)) write_rule(w, name, *rule);
    }
    w.compact(true).open_object().key("names").texts(plain);
    w.key("action").text("SCMP_ACT_ALLOW").close().compact(false);
    w.close().close();
    if (!loose.empty())
        unsaid.push_back(fmt::format("arguments with which these calls are refused: {}",
                                     fmt::join(loose, ", ")));
}

}  // namespace pmos::policy::oci
