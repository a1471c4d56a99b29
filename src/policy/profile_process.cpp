// policy: the process of a profile, and the rules of its filter. Knows no host.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "policy/names.h"
#include "policy/profile_reader.h"

namespace pmos::policy {
namespace {

std::uint64_t rlimit_of(const Node& node) {
    return node.is(Node::Kind::string) ? RLIM_INFINITY : node.magnitude;
}

}  // namespace

void ProfileReader::process() {
    Process& process = p_.process;
    process.args = texts(get("process/args"));
    process.cwd = text_or(get("process/cwd"), "");
    process.oom_score_adj = static_cast<std::int32_t>(integer_or(get("process/oomScoreAdj"), 0));
    if (process.args.empty() || process.args.front().empty())
        fault(Rule::bad_value, p_.where("process/args"), "there is no program to run");
    user(get("process/user"));
    environment(get("process/env"));
    rlimits(get("process/rlimits"));
    capabilities(get("process/capabilities"));
}

void ProfileReader::user(const Node* node) {
    if (node == nullptr) return;
    Process& process = p_.process;
    process.uid = u32_or(node->find("uid"), 0);
    process.gid = u32_or(node->find("gid"), 0);
    process.umask = parse_octal(text_or(node->find("umask"), "")).value_or(0);
    if (const Node* list = node->find("additionalGids"))
        for (const auto& item : list->items) process.additional_gids.push_back(u32_or(&item, 0));
    const auto outside = [&](std::uint32_t id) { return id >= p_.id_count; };
    if (outside(process.uid) || outside(process.gid) ||
        std::ranges::any_of(process.additional_gids, outside))
        fault(Rule::out_of_range, node->at, "an id inside is beyond the mode's id range",
              fmt::format("ids go from 0 to {}", p_.id_count - 1),
              {p_.where("identity/uidRange/count")});
}

void ProfileReader::environment(const Node* node) {
    std::vector<std::string> env = texts(node);
    const auto name = [](std::string_view entry) { return entry.substr(0, entry.find('=')); };
    for (std::size_t i = 0; i < env.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            if (name(env[i]) == name(env[j]))
                fault(Rule::duplicate_key, node->items[i].at,
                      fmt::format("variable '{}' is given twice", shown(name(env[i]))), "",
                      {node->items[j].at});
    const std::array<std::string, 4> defaults{
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        p_.process.uid == 0 ? "HOME=/root" : "HOME=/", "LANG=C.UTF-8", "container=pmos"};
    for (const auto& entry : defaults)
        if (std::ranges::find(env, name(entry), name) == env.end()) p_.process.env.push_back(entry);
    p_.process.env.insert(p_.process.env.end(), env.begin(), env.end());
}

void ProfileReader::rlimits(const Node* node) {
    bool core = false;
    if (node != nullptr) {
        for (const auto& member : node->members) {
            const Node* soft = member.value.find("soft");
            const Node* hard = member.value.find("hard");
            const auto resource = value_of(rlimit_names(), member.key).value_or(0);
            Rlimit limit{static_cast<std::uint32_t>(resource),
                         rlimit_of(soft != nullptr ? *soft : member.value),
                         rlimit_of(hard != nullptr ? *hard : member.value)};
            if (limit.soft > limit.hard)
                fault(Rule::bad_value, member.value.at, "the soft limit is above the hard one");
            core |= limit.resource == RLIMIT_CORE;
            p_.process.rlimits.push_back(limit);
        }
    }
    // What a mode holds must not seep out in a core file. A piped core_pattern ignores the limit
    // but for this one (fs/coredump.c: "RLIMIT_CORE set to 1"), which is too small for a file as
    // well.
    if (!core) p_.process.rlimits.push_back({RLIMIT_CORE, 1, 1});
    std::ranges::sort(p_.process.rlimits, {}, &Rlimit::resource);
}

void ProfileReader::capabilities(const Node* node) {
    std::uint64_t bits = 0;
    for (const auto& name : texts(node))
        bits |= 1ULL << value_of(capability_names(), name).value_or(0);
    // Set-uid root is off (SECBIT_NOROOT) and files carry none, so only the ambient set survives
    // an exec; with no capability granted all five sets are empty.
    p_.process.capabilities = {bits, bits, bits, bits, bits};
}

void ProfileReader::seccomp_rule(const Node& node) {
    constexpr std::array<std::pair<std::string_view, Compare>, 7> kOps{
        {{"SCMP_CMP_NE", Compare::ne},
         {"SCMP_CMP_LT", Compare::lt},
         {"SCMP_CMP_LE", Compare::le},
         {"SCMP_CMP_EQ", Compare::eq},
         {"SCMP_CMP_GE", Compare::ge},
         {"SCMP_CMP_GT", Compare::gt},
         {"SCMP_CMP_MASKED_EQ", Compare::masked_eq}}};
    SyscallRule rule;
    rule.names = texts(node.find("names"));
    const std::string action = text_or(node.find("action"), "");
    const auto error = value_of(errno_names(), text_or(node.find("errno"), "EPERM"));
    rule.verdict = action == "allow" ? verdict_allow()
                   : action == "kill"
                       ? verdict_kill()
                       : verdict_errno(static_cast<std::uint32_t>(error.value_or(EPERM)));
    if (action != "errno" && node.find("errno") != nullptr)
        fault(Rule::contradiction, node.find("errno")->at, "'errno' belongs to the action errno");
    const Node* args = node.find("args");
    if (args != nullptr && args->items.size() > 6)
        return fault(Rule::too_large, args->at, "more than six tests in one rule",
                     "write two rules");
    for (std::size_t i = 0; args != nullptr && i < args->items.size(); ++i) {
        const Node& arg = args->items[i];
        const auto bits = [&](std::string_view key) {
            const Node* n = arg.find(key);
            return n == nullptr ? 0 : n->negative ? 0 - n->magnitude : n->magnitude;
        };
        const auto op = std::ranges::find(kOps, text_or(arg.find("op"), ""),
                                          [](const auto& o) { return std::string(o.first); });
        rule.args.push_back({u32_or(arg.find("index"), 0),
                             op == kOps.end() ? Compare::eq : op->second, bits("value"),
                             bits("valueTwo")});
        if (rule.args.back().op == Compare::masked_eq && arg.find("valueTwo") == nullptr)
            fault(Rule::missing_key, arg.at, "'valueTwo' is missing",
                  "SCMP_CMP_MASKED_EQ compares argument & value with valueTwo");
    }
    p_.seccomp_rules.push_back(rule);
}

}  // namespace pmos::policy
