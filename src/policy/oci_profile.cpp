// policy: an OCI configuration as the Profile that the checker of modes knows. See oci_profile.h.
#include "policy/oci_profile.h"

#include <fmt/format.h>
#include <linux/mount.h>
#include <linux/sched.h>

#include <algorithm>
#include <set>

#include "policy/names.h"
#include "policy/oci_plan.h"
#include "policy/site_policy.h"
#include "policy/syscalls.h"

namespace pmos::policy::oci {
namespace {

Node text_node(std::string text, Location at) {
    Node node;
    node.kind = Node::Kind::string;
    node.text = std::move(text);
    node.at = std::move(at);
    return node;
}

Node& member(Node& node, std::string key, const Location& at) {
    node.kind = Node::Kind::object;
    Member& made = node.members.emplace_back();
    made.key = std::move(key);
    made.key_at = made.value.at = at;
    return made.value;
}

bool lets_pass(SeccompAction action) {
    return action == SeccompAction::allow || action == SeccompAction::log ||
           action == SeccompAction::trace || action == SeccompAction::notify;
}

bool is_allowed(const Seccomp& seccomp, const std::string& name) {
    bool allowed = lets_pass(seccomp.default_action);
    for (const auto& rule : seccomp.rules) {
        if (std::ranges::count(rule.names, name) == 0) continue;
        // A rule that tests arguments lets some of it pass, or refuses some.
        if (lets_pass(rule.action)) return true;
        if (rule.args.empty()) allowed = false;
    }
    return allowed;
}

class Reading {
  public:
    explicit Reading(const Config& config) : config_(config) {
        const auto mode = config.annotation(kModeAnnotation);
        p_.mode = mode.empty() ? std::string(kNoMode) : mode;
        p_.file = config.source.at.file;
        p_.source.kind = Node::Kind::object;
        p_.source.at = config.source.at;
    }

    Profile run() {
        capabilities();
        mounts();
        network();
        return std::move(p_);
    }

  private:
    Location where(std::string_view path) const {
        const Node* node = config_.source.at_path(path);
        return node == nullptr ? config_.source.at : node->at;
    }

    // Each that any of the five sets has.
    void capabilities() {
        const auto at = where("process/capabilities");
        Node& list = member(member(p_.source, "process", where("process")), "capabilities", at);
        list.kind = Node::Kind::array;
        if (!config_.process) return;
        const auto& c = config_.process->capabilities;
        const auto any = c.bounding | c.effective | c.permitted | c.inheritable | c.ambient;
        for (const auto& name : capability_names())
            if ((any >> name.value & 1U) != 0)
                list.items.push_back(text_node(std::string(name.name), at));
    }

    void mounts() {
        for (const auto& m : config_.mounts) {
            const MountOptions options = read_options(m.options);
            MountSpec made;
            // What is on a device, or another machine, is shared as a directory of the host is.
            constexpr std::string_view kOwn[] = {"proc",   "sysfs",  "tmpfs",  "devpts",
                                                 "mqueue", "cgroup", "cgroup2"};
            const bool bind = options.bind || std::ranges::count(kOwn, m.type) == 0;
            const bool deep = options.recursive || m.type == "rbind";
            const auto read_only = options.attributes | options.deep_attributes;
            made.type = bind ? "bind" : m.type;
            made.source = m.source;
            made.target = m.destination;
            made.at = m.at;
            // Of all that comes along with a recursive one only "rro" says so.
            if (((deep ? options.deep_attributes : read_only) & MOUNT_ATTR_RDONLY) == 0)
                made.options = {"rw"};
            if ((read_only & MOUNT_ATTR_NOEXEC) == 0) made.options.emplace_back("exec");
            p_.mounts.push_back(std::move(made));
        }
    }

    // Whose namespace it joins may be connected to anything.
    void network() {
        const auto it =
            std::ranges::find(config_.namespaces, std::uint64_t{CLONE_NEWNET}, &Namespace::type);
        const bool own = it != config_.namespaces.end() && it->path.empty();
        p_.network.zone = own ? Zone::loopback : Zone::direct;
        member(p_.source, "network", own ? it->at : where("linux/namespaces"));
    }

    const Config& config_;
    Profile p_;
};

// One finding for all of them: without a filter they are four hundred.
void check_calls(const Node& site, const Config& config, const std::string& mode,
                 std::vector<Diagnostic>& diagnostics) {
    std::vector<std::string> passed;
    for (const auto& name : refused_syscalls(site, mode))
        if (!config.seccomp || is_allowed(*config.seccomp, name)) passed.push_back(name);
    if (passed.empty()) return;
    const Node* at = config.source.at_path("linux/seccomp");
    if (at == nullptr) at = &config.source;
    diagnostics.push_back(finding(
        Rule::site_policy, at->at,
        fmt::format("the site policy refuses the system call '{}'{}", passed.front(),
                    passed.size() == 1 ? "" : fmt::format(" and {} more", passed.size() - 1)),
        config.seccomp ? "take them out of the filter" : "add a filter: linux/seccomp"));
}

bool judges_devices(const Node& site, const std::string& mode) {
    const Node* require = site.find("require");
    return require != nullptr && std::ranges::any_of(require->items, [&](const Node& demand) {
               const Node* modes = demand.find("modes");
               const bool holds =
                   modes == nullptr || std::ranges::count(modes->items, mode, &Node::text) != 0;
               return holds && demand.find("devices") != nullptr;
           });
}

}  // namespace

Profile as_profile(const Config& config) { return Reading(config).run(); }

void check_site(const Node& site, const Config& config, std::vector<Diagnostic>& diagnostics) {
    const Profile profile = as_profile(config);
    for (const auto& device : config.devices)
        if (judges_devices(site, profile.mode))
            diagnostics.push_back(finding(
                Rule::site_policy, device.at,
                fmt::format("the site policy admits devices by their class, and '{}' has none",
                            shown(device.path)),
                "leave it out"));
    check_site_policy(site, profile, diagnostics);
    check_calls(site, config, profile.mode, diagnostics);
}

}  // namespace pmos::policy::oci
