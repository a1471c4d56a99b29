// policy: what a change to a profile would bring besides what it is for. Asks no host.
#include "policy/question_change.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/language.h"
#include "policy/lint.h"
#include "policy/site_policy.h"

namespace pmos::policy {
namespace {

constexpr std::size_t kMaxCalls = 8;

bool allows(const LaunchPlan& plan, const Arch& arch, std::uint32_t nr) {
    SyscallData data;
    data.nr = nr;
    data.arch = arch.audit;
    return evaluate(from_bytes(plan.seccomp), data) == verdict_allow().ret;
}

void add_calls(const LaunchPlan& before, const LaunchPlan& after, const Arch& arch,
               std::vector<std::string>& out) {
    std::vector<std::string> calls;
    for (std::uint32_t nr = 0; nr <= arch.newest; ++nr)
        if (!allows(before, arch, nr) && allows(after, arch, nr))
            calls.push_back(syscall_name(arch, nr));
    if (calls.size() < 2) return;  // the one that was asked for
    const std::size_t more = calls.size() > kMaxCalls ? calls.size() - kMaxCalls : 0;
    calls.resize(calls.size() - more);
    out.push_back(fmt::format("it opens the system calls {}{}", fmt::join(calls, ", "),
                              more == 0 ? "" : fmt::format(" and {} more", more)));
}

void add_nodes(const LaunchPlan& before, const LaunchPlan& after, std::vector<std::string>& out) {
    for (const auto& node : after.device_nodes)
        if (!node.device_class.empty() &&
            std::ranges::find(before.device_nodes, node.path, &DeviceNode::path) ==
                before.device_nodes.end())
            out.push_back(fmt::format("it opens every {} node of the phone, such as /dev/{}",
                                      node.device_class, node.path));
}

void place(Node& node, const std::string& pointer) {
    node.at.pointer = pointer;
    for (auto& member : node.members)
        place(member.value, pointer + "/" + escape_pointer(member.key));
    for (std::size_t i = 0; i < node.items.size(); ++i)
        place(node.items[i], fmt::format("{}/{}", pointer, i));
}

}  // namespace

std::vector<std::string> consequences(const Subject& subject,
                                      const std::function<void(Node&)>& edit) {
    Node tree = subject.profile.source;
    edit(tree);
    place(tree, "");
    std::vector<std::string> out;
    std::vector<Diagnostic> faults;
    check_shape(profile_language(), tree, true, faults);
    const Profile changed = read_profile(tree, subject.profile.file, faults);
    for (const auto& d : faults)
        out.push_back(fmt::format("the profile would not load: {}", d.message));
    if (!faults.empty()) return out;

    std::vector<Diagnostic> demands;
    if (subject.demands != nullptr) check_site_policy(*subject.demands, changed, demands);
    for (const auto& d : demands) out.push_back(d.message);
    const auto compiled = compile(changed, subject.facts);
    for (const auto& d : compiled.diagnostics)
        if (d.severity == Severity::error)
            out.push_back(fmt::format("the mode would not start: {}", d.message));
    std::vector<Diagnostic> before, after;
    lint(subject.profile, before);
    lint(changed, after);
    for (const auto& d : after)
        if (std::ranges::find(before, d.message, &Diagnostic::message) == before.end())
            out.push_back(
                fmt::format("{}: {} [{}]", severity_name(d.severity), d.message, rule_id(d.rule)));
    if (compiled.plan) {
        if (const Arch* arch = find_arch(subject.facts.arch))
            add_calls(subject.plan, *compiled.plan, *arch, out);
        add_nodes(subject.plan, *compiled.plan, out);
    }
    return out;
}

Node text_node(const std::string& text) {
    Node node;
    node.kind = Node::Kind::string;
    node.text = text;
    return node;
}

Node& make_key(Node& root, std::string_view path, Node::Kind kind) {
    Node* node = &root;
    for (std::string_view rest = path; !rest.empty();) {
        const auto slash = rest.find('/');
        const std::string key(rest.substr(0, slash));
        rest = slash == std::string_view::npos ? "" : rest.substr(slash + 1);
        const auto it = std::ranges::find(node->members, key, &Member::key);
        if (it == node->members.end()) {
            Node fresh;
            fresh.kind = rest.empty() ? kind : Node::Kind::object;
            node->members.push_back({key, {}, std::move(fresh)});
            node = &node->members.back().value;
        } else {
            node = &it->value;
        }
    }
    return *node;
}

void weigh(const Subject& subject, Answer& answer, const std::function<void(Node&)>& edit) {
    answer.also = consequences(subject, edit);
    answer.weighed = true;
}

}  // namespace pmos::policy
