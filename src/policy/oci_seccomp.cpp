// policy: `linux/seccomp` of an OCI file as values. Knows no number of a system call: which of the
// names this machine has is for the filter's maker.
#include <fmt/format.h>
#include <linux/seccomp.h>

#include <algorithm>
#include <array>

#include "policy/oci_reader.h"

namespace pmos::policy::oci {
namespace {

constexpr std::uint32_t kArgs = 6;
constexpr std::uint64_t kMaxErrno = 4095;  // the kernel's MAX_ERRNO
constexpr std::string_view kOperatorPrefix = "SCMP_CMP_";

constexpr NamedValue named(std::string_view name, SeccompAction action) {
    return {name, static_cast<std::uint64_t>(action)};
}
// SCMP_ACT_KILL is libseccomp's older name.
constexpr std::array kActions{
    named("SCMP_ACT_KILL", SeccompAction::kill_thread),
    named("SCMP_ACT_KILL_PROCESS", SeccompAction::kill_process),
    named("SCMP_ACT_KILL_THREAD", SeccompAction::kill_thread),
    named("SCMP_ACT_TRAP", SeccompAction::trap),
    named("SCMP_ACT_ERRNO", SeccompAction::error),
    named("SCMP_ACT_TRACE", SeccompAction::trace),
    named("SCMP_ACT_ALLOW", SeccompAction::allow),
    named("SCMP_ACT_LOG", SeccompAction::log),
    named("SCMP_ACT_NOTIFY", SeccompAction::notify),
};
constexpr std::array kFlags{
    NamedValue{"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
    NamedValue{"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
    NamedValue{"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
    NamedValue{"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
};
constexpr auto kOperators = std::to_array<NamedValue>({
    {"SCMP_CMP_NE"},
    {"SCMP_CMP_LT"},
    {"SCMP_CMP_LE"},
    {"SCMP_CMP_EQ"},
    {"SCMP_CMP_GE"},
    {"SCMP_CMP_GT"},
    {"SCMP_CMP_MASKED_EQ"},
});
constexpr auto kArchitectures = std::to_array<NamedValue>({
    {"SCMP_ARCH_X86"},      {"SCMP_ARCH_X86_64"},      {"SCMP_ARCH_X32"},
    {"SCMP_ARCH_ARM"},      {"SCMP_ARCH_AARCH64"},     {"SCMP_ARCH_MIPS"},
    {"SCMP_ARCH_MIPS64"},   {"SCMP_ARCH_MIPS64N32"},   {"SCMP_ARCH_MIPSEL"},
    {"SCMP_ARCH_MIPSEL64"}, {"SCMP_ARCH_MIPSEL64N32"}, {"SCMP_ARCH_PPC"},
    {"SCMP_ARCH_PPC64"},    {"SCMP_ARCH_PPC64LE"},     {"SCMP_ARCH_S390"},
    {"SCMP_ARCH_S390X"},    {"SCMP_ARCH_PARISC"},      {"SCMP_ARCH_PARISC64"},
    {"SCMP_ARCH_RISCV64"},  {"SCMP_ARCH_LOONGARCH64"}, {"SCMP_ARCH_M68K"},
    {"SCMP_ARCH_SH"},       {"SCMP_ARCH_SHEB"},
});

std::optional<SeccompAction> action_of(Reader& reader, const Node& object, std::string_view key) {
    const Node* const node = reader.need(object, key, Node::Kind::string);
    const auto value =
        node == nullptr ? std::nullopt : reader.word(*node, kActions, "seccomp action");
    if (!value) return std::nullopt;
    return static_cast<SeccompAction>(*value);
}

std::optional<std::uint32_t> errno_of(Reader& reader, const Node& object, std::string_view key,
                                      std::optional<SeccompAction> action) {
    const bool trace = action == SeccompAction::trace;
    const Range range{0, trace ? std::uint64_t{SECCOMP_RET_DATA} : kMaxErrno};
    const auto value = reader.number<std::uint32_t>(object, key, range);
    if (value && action && !trace && action != SeccompAction::error)
        reader.fault(Rule::contradiction, object.find(key)->at,
                     fmt::format("'{}' has no meaning with this action", key),
                     "it belongs to SCMP_ACT_ERRNO and SCMP_ACT_TRACE");
    return value;
}

std::optional<SeccompArg> arg_of(Reader& reader, const Node& node) {
    const auto index = reader.need_number<std::uint32_t>(node, "index", {0, kArgs - 1});
    const auto value = reader.need_number<std::uint64_t>(node, "value");
    const auto two = reader.number<std::uint64_t>(node, "valueTwo");
    const Node* const op = reader.need(node, "op", Node::Kind::string);
    if (op == nullptr || !reader.word(*op, kOperators, "operator") || !index || !value)
        return std::nullopt;
    const auto known = std::ranges::find(kOperators, op->text, &NamedValue::name);
    return SeccompArg{.index = *index,
                      .value = *value,
                      .value_two = two.value_or(0),
                      .op = known->name.substr(kOperatorPrefix.size())};
}

std::vector<SeccompArg> args_of(Reader& reader, const Node& rule) {
    std::vector<SeccompArg> out;
    std::uint32_t seen = 0;
    for (const Node* const item : reader.items(rule, "args", Node::Kind::object)) {
        const auto arg = arg_of(reader, *item);
        if (!arg) continue;
        // libseccomp takes no two tests of an argument, and runtimes make "any of all" of them.
        if ((seen >> arg->index & 1U) != 0)
            reader.fault(Rule::contradiction, item->at,
                         fmt::format("argument {} is tested twice", arg->index),
                         "write a rule for each test");
        seen |= 1U << arg->index;
        out.push_back(*arg);
    }
    return out;
}

SeccompRule rule_of(Reader& reader, const Node& node) {
    SeccompRule rule;
    rule.at = node.at;
    if (const Node* const names = reader.need(node, "names", Node::Kind::array)) {
        rule.names = reader.texts(node, "names");
        if (names->items.empty() || has_word(rule.names, ""))
            reader.fault(Rule::bad_value, names->at, "a rule for no system call",
                         "name those that it is for");
    }
    const auto action = action_of(reader, node, "action");
    rule.action = action.value_or(SeccompAction::kill_process);
    rule.errno_ret = errno_of(reader, node, "errnoRet", action);
    rule.args = args_of(reader, node);
    return rule;
}

void check_listener(Reader& reader, const Node& node, const Seccomp& seccomp) {
    const Node* const path = reader.find(node, "listenerPath", Node::Kind::string);
    if (!seccomp.listener_path.empty()) reader.host_path(*path);
    if (!seccomp.listener_metadata.empty() && seccomp.listener_path.empty())
        reader.fault(Rule::contradiction, node.find("listenerMetadata")->at,
                     "'listenerMetadata' has no meaning without 'listenerPath'",
                     "add \"listenerPath\", or remove it");
    if (seccomp.default_action == SeccompAction::notify)
        reader.fault(Rule::bad_value, node.find("defaultAction")->at,
                     "the default action cannot be SCMP_ACT_NOTIFY",
                     "the call that hands the listener over would wait for it");
    const auto asks = std::ranges::find(seccomp.rules, SeccompAction::notify, &SeccompRule::action);
    if (asks != seccomp.rules.end() && seccomp.listener_path.empty())
        reader.fault(Rule::missing_key, asks->at,
                     "SCMP_ACT_NOTIFY asks a listener, and there is no 'listenerPath'",
                     "add \"listenerPath\": the socket of who answers");
    if ((seccomp.flags & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) != 0 && !seccomp.notifies())
        reader.fault(Rule::contradiction, node.find("flags")->at,
                     "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV has no meaning without "
                     "SCMP_ACT_NOTIFY",
                     "remove it");
}

}  // namespace

bool Seccomp::notifies() const {
    return std::ranges::find(rules, SeccompAction::notify, &SeccompRule::action) != rules.end();
}

Seccomp seccomp_of(Reader& reader, const Node& node) {
    Seccomp out;
    const auto action = action_of(reader, node, "defaultAction");
    out.default_action = action.value_or(SeccompAction::kill_process);
    out.default_errno_ret = errno_of(reader, node, "defaultErrnoRet", action);
    for (const Node* const item : reader.items(node, "architectures", Node::Kind::string))
        if (reader.word(*item, kArchitectures, "architecture"))
            out.architectures.push_back(item->text);
    out.flags = reader.bits(node, "flags", kFlags, "seccomp flag");
    out.listener_path = reader.text(node, "listenerPath");
    out.listener_metadata = reader.text(node, "listenerMetadata");
    for (const Node* const item : reader.items(node, "syscalls", Node::Kind::object))
        out.rules.push_back(rule_of(reader, *item));
    check_listener(reader, node, out);
    return out;
}

}  // namespace pmos::policy::oci
