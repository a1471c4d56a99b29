// tests: an OCI configuration as a plan, and as a profile that an owner's demands hold for.
#include "policy/oci_plan.h"

#include <linux/mount.h>
#include <linux/sched.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "policy/oci_profile.h"
#include "policy/site_policy.h"

using namespace pmos::policy;
using image::MountKind;

namespace {

std::string config(const std::string& linux_part, const std::string& mounts = "",
                   const std::string& more = "") {
    return R"({"ociVersion": "1.2.0", "root": {"path": "rootfs"}, "process": {"args": ["true"],
        "cwd": "/", "user": {"uid": 5, "gid": 6}, "capabilities": {"bounding": ["CAP_KILL", "CAP_CHECKPOINT_RESTORE"]}},
        "mounts": [)" +
           mounts + R"(], "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}])" +
           linux_part + "}" + more + "}";
}

oci::Config read(const std::string& text) {
    std::vector<Diagnostic> faults;
    auto made = oci::read_config("config.json", text, faults);
    for (const auto& fault : faults) UNSCOPED_INFO(to_text(fault));
    REQUIRE(made);
    return std::move(*made);
}

LaunchPlan compiled(const std::string& text, const oci::HostSide& host = {}) {
    std::vector<Diagnostic> faults;
    auto plan = oci::compile(read(text), "box", host, faults);
    for (const auto& fault : faults) UNSCOPED_INFO(to_text(fault));
    REQUIRE(plan);
    return std::move(*plan);
}

oci::HostSide host_with(bool unprivileged, std::uint32_t last_capability = 40) {
    oci::HostSide host;
    host.bundle = "/b";
    host.unprivileged = unprivileged;
    host.last_capability = last_capability;
    return host;
}

std::string refused(const std::string& text) {
    std::vector<Diagnostic> faults;
    CHECK_FALSE(oci::compile(read(text), "box", {}, faults));
    return faults.empty() ? "" : faults.front().at.pointer + " " + faults.front().message;
}

const MountOp& mount_at(const LaunchPlan& plan, const std::string& target) {
    const auto it = std::ranges::find(plan.mounts, target, &MountOp::target);
    REQUIRE(it != plan.mounts.end());
    return *it;
}

std::vector<std::string> site_says(const std::string& site, const std::string& text) {
    std::vector<Diagnostic> faults, said;
    const auto tree = read_site_policy({"site.json", site}, faults);
    REQUIRE(tree);
    oci::check_site(*tree, read(text), said);
    std::vector<std::string> out;
    for (const auto& one : said) out.push_back(one.message.substr(0, one.message.find(" (")));
    return out;
}

}  // namespace

TEST_CASE("options of mounts are attributes, propagation, or their file system's") {
    const auto all = oci::read_options({"bind", "ro", "nosuid", "dev", "rnoexec", "rrw", "rslave",
                                        "noatime", "size=1m", "grpquota", "defaults"});
    CHECK((all.bind && !all.recursive));
    CHECK(all.attributes == (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME));
    CHECK(all.cleared == MOUNT_ATTR_NODEV);
    CHECK(all.deep_attributes == MOUNT_ATTR_NOEXEC);
    CHECK(all.deep_cleared == MOUNT_ATTR_RDONLY);
    CHECK(all.propagation == (1U << 19 | 1U << 14));
    CHECK(all.data ==
          std::vector<std::pair<std::string, std::string>>{{"size", "1m"}, {"grpquota", ""}});
    // The last word counts.
    CHECK(oci::read_options({"ro", "rw"}).attributes == 0);
    CHECK(oci::read_options({"nosuid", "suid", "nosuid"}).cleared == 0);
    CHECK(oci::read_options({"remount"}).refused == "remount");
    CHECK(std::ranges::is_sorted(oci::known_options()));
}

TEST_CASE("a plan has the default devices and links, and the kernel's own mounts follow no link") {
    const auto plan =
        compiled(config("", R"({"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
        {"destination": "/data", "type": "bind", "source": "data", "options": ["rbind", "ro"]})"),
                 host_with(false, 39));
    REQUIRE(plan.container);
    CHECK(plan.container->flags ==
          (image::container_is | image::container_gains | image::container_finds_home));
    CHECK(mount_at(plan, "/dev").kind == MountKind::dev);
    CHECK(mount_at(plan, "/proc").flags == 0);
    const auto& data = mount_at(plan, "/data");
    CHECK(data.source == "/b/data");
    CHECK(data.flags == (image::mount_follows | image::mount_recursive));
    CHECK(data.attributes == MOUNT_ATTR_RDONLY);
    std::string nodes;
    for (const auto& node : plan.device_nodes) nodes += node.path + " ";
    CHECK(nodes == "null zero full random urandom tty fd stdin stdout stderr ptmx ");
    // The kernel of that host has no CAP_CHECKPOINT_RESTORE (40).
    CHECK(plan.process.capabilities.bounding == 1U << 5);
    CHECK(plan.process.uid == 5);
}

TEST_CASE("who may make no device node is given the machine's") {
    const auto plan = compiled(
        config(R"(, "devices": [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}])"),
        host_with(true));
    CHECK(mount_at(plan, "/dev/null").kind == MountKind::bind);
    CHECK(mount_at(plan, "/dev/fuse").source == "/dev/fuse");
    CHECK(std::ranges::all_of(plan.device_nodes,
                              [](const auto& n) { return n.type == image::NodeType::symlink; }));
    // Somebody's own /dev stays as it is.
    const auto own = compiled(config(
        "", R"({"destination": "/dev", "type": "bind", "source": "/dev", "options": ["rbind"]})"));
    CHECK(own.device_nodes.empty());
}

TEST_CASE("what this build does not do is refused at its place") {
    CHECK(refused(config("", R"({"destination": "/", "type": "tmpfs", "source": "x"})"))
              .starts_with("/mounts/0"));
    CHECK(refused(config(R"(, "devices": [{"path": "/x", "type": "c", "major": 1, "minor": 3}])"))
              .starts_with("/linux/devices/0"));
    CHECK(
        refused(
            R"({"ociVersion": "1.2.0", "root": {"path": "r"}, "process": {"args": ["true"], "cwd": "/"},
        "linux": {"namespaces": [{"type": "pid"}]}})")
            .starts_with("/linux/namespaces"));
}

TEST_CASE("an owner's demands hold for containers") {
    const std::string site =
        R"({"pmos": 1, "require": [{"capabilities": {"never": ["CAP_KILL"]}, "noWritableShare": true,
        "network": ["none", "loopback"], "syscalls": {"never": ["bpf", "reboot"]}}, {"modes": ["secure"], "encrypted": true}]})";
    const std::string bind =
        R"({"destination": "/x", "type": "bind", "source": "/srv", "options": ["bind"]})";
    CHECK(site_says(site, config("", bind)) ==
          std::vector<std::string>{"the site policy refuses writable '/srv'",
                                   "the site policy refuses the network 'direct'",
                                   "the site policy refuses CAP_KILL",
                                   "the site policy refuses the system call 'bpf' and 1 more"});
    const std::string filter = R"(, "seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        {"names": ["read"], "action": "SCMP_ACT_ALLOW"}, {"names": ["reboot"], "action": "SCMP_ACT_ALLOW",
         "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]}]})";
    const auto said = site_says(
        R"({"pmos": 1, "require": [{"syscalls": {"never": ["bpf", "reboot"]}}]})", config(filter));
    CHECK(said == std::vector<std::string>{"the site policy refuses the system call 'reboot'"});
    const auto secure =
        site_says(R"({"pmos": 1, "require": [{"modes": ["secure"], "encrypted": true}]})",
                  config("", "", R"(, "annotations": {"org.pmos.mode": "secure"})"));
    CHECK(secure == std::vector<std::string>{"the site policy demands an encrypted volume"});
    CHECK(site_says(R"({"pmos": 1, "require": [{"modes": ["secure"], "encrypted": true}]})",
                    config(""))
              .empty());
}
