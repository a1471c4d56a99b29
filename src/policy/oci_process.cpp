// policy: `process` of an OCI file as values. Reads no file, knows no host.
#include <fmt/format.h>
#include <linux/binfmts.h>
#include <linux/ioprio.h>
#include <linux/sched.h>

#include <algorithm>
#include <array>

#include "policy/oci_reader.h"

namespace pmos::policy::oci {
namespace {

// execve(2): MAX_ARG_STRLEN, with its NUL, where pages have 4 KiB; and what all strings may take,
// which a file of the size that is read does not reach.
constexpr std::size_t kMaxArg = 32UL * 4096;
constexpr std::size_t kMaxArgs = 2UL << 20;
static_assert(kMaxFileSize < kMaxArgs);

constexpr std::array kRefused{
    Refused{"commandLine", "it is of Windows: use 'args'"},
    Refused{"selinuxLabel", "remove it: there is no SELinux here"},
};
constexpr std::array kRefusedOfUser{Refused{"username", "it is of Windows: use 'uid' and 'gid'"}};

// SCHED_ISO is the specification's, and no kernel's.
constexpr std::array kPolicies{
    NamedValue{"SCHED_OTHER", SCHED_NORMAL}, NamedValue{"SCHED_FIFO", SCHED_FIFO},
    NamedValue{"SCHED_RR", SCHED_RR},        NamedValue{"SCHED_BATCH", SCHED_BATCH},
    NamedValue{"SCHED_IDLE", SCHED_IDLE},    NamedValue{"SCHED_DEADLINE", SCHED_DEADLINE},
};
constexpr std::array kSchedulerFlags{
    NamedValue{"SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK},
    NamedValue{"SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM},
    NamedValue{"SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN},
    NamedValue{"SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY},
    NamedValue{"SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS},
    NamedValue{"SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN},
    NamedValue{"SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX},
};
constexpr std::array kIoClasses{
    NamedValue{"IOPRIO_CLASS_RT", IOPRIO_CLASS_RT},
    NamedValue{"IOPRIO_CLASS_BE", IOPRIO_CLASS_BE},
    NamedValue{"IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE},
};

User user_of(Reader& reader, const Node& process) {
    User user;
    const Node* const node = reader.find(process, "user", Node::Kind::object);
    if (node == nullptr) return user;
    reader.refuse_all(*node, kRefusedOfUser);
    user.uid = reader.need_number<std::uint32_t>(*node, "uid").value_or(0);
    user.gid = reader.need_number<std::uint32_t>(*node, "gid").value_or(0);
    user.umask = reader.number<std::uint32_t>(*node, "umask", {0, 0777});
    for (const Node* const gid : reader.items(*node, "additionalGids", Node::Kind::integer))
        user.additional_gids.push_back(reader.number_of<std::uint32_t>(gid).value_or(0));
    return user;
}

ConsoleSize console_size_of(Reader& reader, const Node& process) {
    const Node* const node = reader.find(process, "consoleSize", Node::Kind::object);
    if (node == nullptr) return {};
    return {.height = reader.need_number<std::uint16_t>(*node, "height").value_or(0),
            .width = reader.need_number<std::uint16_t>(*node, "width").value_or(0)};
}

std::vector<std::string> args_of(Reader& reader, const Node& process) {
    const Node* const node = reader.need(process, "args", Node::Kind::array);
    auto args = reader.texts(process, "args");
    if (node != nullptr && (node->items.empty() || (!args.empty() && args.front().empty())))
        reader.fault(Rule::bad_value, node->at, "there is no program to run",
                     "the first of 'args' is the program");
    return args;
}

void check_lengths(Reader& reader, const Node& process, std::string_view key) {
    const Node* const list = process.find(key);
    if (list == nullptr) return;
    for (const auto& item : list->items)
        if (item.text.size() >= kMaxArg)
            reader.fault(Rule::too_large, item.at,
                         fmt::format("'{}' is too long for a program", item.at.pointer),
                         fmt::format("at most {} bytes", kMaxArg - 1));
}

std::uint64_t capability_set(Reader& reader, const Node& sets, std::string_view key) {
    std::uint64_t set = 0;
    for (const Node* const item : reader.items(sets, key, Node::Kind::string))
        if (const auto bit =
                reader.word(*item, capability_names(), "capability", Rule::unknown_capability))
            set |= 1ULL << *bit;
    return set;
}

// The kernel would refuse the sets, or drop what is not in the other one.
void check_subset(Reader& reader, const Node& sets, std::string_view key, std::uint64_t within,
                  std::string_view other) {
    for (const Node* const item : reader.items(sets, key, Node::Kind::string)) {
        const auto bit = value_of(capability_names(), item->text);
        if (bit && (within >> *bit & 1U) == 0)
            reader.fault(Rule::contradiction, item->at,
                         fmt::format("'{}' is in '{}' and not in '{}'", item->text, key, other),
                         fmt::format("add it to '{}', or remove it", other));
    }
}

CapabilitySets capabilities_of(Reader& reader, const Node& process) {
    CapabilitySets out;
    const Node* const sets = reader.find(process, "capabilities", Node::Kind::object);
    if (sets == nullptr) return out;
    out.bounding = capability_set(reader, *sets, "bounding");
    out.effective = capability_set(reader, *sets, "effective");
    out.permitted = capability_set(reader, *sets, "permitted");
    out.inheritable = capability_set(reader, *sets, "inheritable");
    out.ambient = capability_set(reader, *sets, "ambient");
    check_subset(reader, *sets, "effective", out.permitted, "permitted");
    check_subset(reader, *sets, "ambient", out.permitted, "permitted");
    check_subset(reader, *sets, "ambient", out.inheritable, "inheritable");
    return out;
}

// As getrlimit(2) has them, in the order of ours.
std::vector<std::string> long_rlimit_names() {
    std::vector<std::string> names;
    for (const auto& [name, value] : rlimit_names()) {
        auto& out = names.emplace_back("RLIMIT_");
        for (const char c : name) out += static_cast<char>(c - 'a' + 'A');
    }
    return names;
}

std::optional<std::uint32_t> resource_of(Reader& reader, const Node& rlimit) {
    const Node* const type = reader.need(rlimit, "type", Node::Kind::string);
    if (type == nullptr) return std::nullopt;
    static const auto kNames = long_rlimit_names();
    const auto known = std::ranges::find(kNames, type->text);
    if (known != kNames.end())
        return static_cast<std::uint32_t>(
            rlimit_names()[static_cast<std::size_t>(known - kNames.begin())].value);
    const auto near =
        nearest(type->text, std::vector<std::string_view>(kNames.begin(), kNames.end()));
    reader.fault(Rule::unknown_rlimit, type->at,
                 fmt::format("unknown resource limit '{}'", shown(type->text)),
                 near.empty() ? "a name of getrlimit(2), such as \"RLIMIT_NOFILE\""
                              : fmt::format("did you mean '{}'?", near));
    return std::nullopt;
}

std::vector<Rlimit> rlimits_of(Reader& reader, const Node& process) {
    std::vector<Rlimit> out;
    for (const Node* const item : reader.items(process, "rlimits", Node::Kind::object)) {
        const auto resource = resource_of(reader, *item);
        const auto soft = reader.need_number<std::uint64_t>(*item, "soft");
        const auto hard = reader.need_number<std::uint64_t>(*item, "hard");
        if (soft && hard && *soft > *hard)
            reader.fault(Rule::contradiction, item->find("soft")->at,
                         "the soft limit is above the hard one", "lower 'soft' or raise 'hard'");
        if (!resource) continue;
        if (std::ranges::find(out, *resource, &Rlimit::resource) != out.end()) {
            reader.fault(Rule::contradiction, item->find("type")->at,
                         fmt::format("'{}' is given twice", item->find("type")->text),
                         "keep one of the two");
            continue;
        }
        out.push_back({*resource, soft.value_or(0), hard.value_or(0)});
    }
    return out;
}

// sched_setattr(2): each policy has its own of these, and the kernel takes no other or ignores it.
void check_scheduler(Reader& reader, const Node& node, const Scheduler& s) {
    const bool fair = s.policy == SCHED_NORMAL || s.policy == SCHED_BATCH;
    const bool real_time = s.policy == SCHED_FIFO || s.policy == SCHED_RR;
    const auto no_meaning = [&](bool given, std::string_view key, std::string_view of) {
        if (given)
            reader.fault(Rule::contradiction, node.find(key)->at,
                         fmt::format("'{}' has no meaning with this policy", key),
                         fmt::format("it belongs to {}", of));
    };
    no_meaning(s.nice != 0 && !fair, "nice", "SCHED_OTHER and SCHED_BATCH");
    no_meaning(s.priority != 0 && !real_time, "priority", "SCHED_FIFO and SCHED_RR");
    if (s.priority == 0 && real_time) reader.missing(node, "priority");
    const bool deadline = s.policy == SCHED_DEADLINE;
    no_meaning(s.runtime != 0 && !deadline, "runtime", "SCHED_DEADLINE");
    no_meaning(s.deadline != 0 && !deadline, "deadline", "SCHED_DEADLINE");
    no_meaning(s.period != 0 && !deadline, "period", "SCHED_DEADLINE");
    const auto period = s.period == 0 ? s.deadline : s.period;
    if (deadline && (s.runtime == 0 || s.runtime > s.deadline || s.deadline > period))
        reader.fault(Rule::contradiction, node.at,
                     "SCHED_DEADLINE has runtime, deadline and period each within the next",
                     "0 < runtime <= deadline <= period");
}

std::optional<Scheduler> scheduler_of(Reader& reader, const Node& process) {
    const Node* const node = reader.find(process, "scheduler", Node::Kind::object);
    if (node == nullptr) return std::nullopt;
    Scheduler out;
    const Node* const policy = reader.need(*node, "policy", Node::Kind::string);
    const auto known =
        policy == nullptr ? std::nullopt : reader.word(*policy, kPolicies, "scheduling policy");
    out.nice = reader.number<std::int32_t>(*node, "nice", {-20, 19}).value_or(0);
    out.priority = reader.number<std::int32_t>(*node, "priority", {0, 99}).value_or(0);
    out.flags = reader.bits(*node, "flags", kSchedulerFlags, "scheduling flag");
    out.runtime = reader.number<std::uint64_t>(*node, "runtime").value_or(0);
    out.deadline = reader.number<std::uint64_t>(*node, "deadline").value_or(0);
    out.period = reader.number<std::uint64_t>(*node, "period").value_or(0);
    if (!known) return out;
    out.policy = static_cast<std::uint32_t>(*known);
    check_scheduler(reader, *node, out);
    return out;
}

std::optional<std::uint32_t> io_priority_of(Reader& reader, const Node& process) {
    const Node* const node = reader.find(process, "ioPriority", Node::Kind::object);
    if (node == nullptr) return std::nullopt;
    const Node* const name = reader.need(*node, "class", Node::Kind::string);
    const auto io_class =
        name == nullptr ? std::nullopt : reader.word(*name, kIoClasses, "I/O class");
    const auto level = reader.need_number<std::uint32_t>(*node, "priority", {0, 7});
    if (!io_class || !level) return std::nullopt;
    return static_cast<std::uint32_t>(*io_class) << IOPRIO_CLASS_SHIFT | *level;
}

}  // namespace

Process process_of(Reader& reader, const Node& node) {
    Process out;
    out.at = node.at;
    reader.refuse_all(node, kRefused);
    out.terminal = reader.flag(node, "terminal");
    const auto size = console_size_of(reader, node);
    if (out.terminal) out.console_size = size;
    out.user = user_of(reader, node);
    if (const Node* const cwd = reader.need(node, "cwd", Node::Kind::string))
        out.cwd = reader.inside(*cwd, false);
    out.args = args_of(reader, node);
    out.env = reader.environment(node);
    check_lengths(reader, node, "args");
    check_lengths(reader, node, "env");
    out.capabilities = capabilities_of(reader, node);
    out.rlimits = rlimits_of(reader, node);
    out.no_new_privileges = reader.flag(node, "noNewPrivileges");
    out.apparmor_profile = reader.text(node, "apparmorProfile");
    out.oom_score_adj = reader.number<std::int32_t>(node, "oomScoreAdj", {-1000, 1000});
    out.scheduler = scheduler_of(reader, node);
    out.io_priority = io_priority_of(reader, node);
    if (const Node* const affinity = reader.find(node, "execCPUAffinity", Node::Kind::object)) {
        out.initial_affinity = reader.number_list(*affinity, "initial");
        out.final_affinity = reader.number_list(*affinity, "final");
    }
    return out;
}

}  // namespace pmos::policy::oci
