// policy: nodes, mounts and Landlock rules of a plan. Reads no host.
#include "policy/compile_parts.h"

#include <linux/landlock.h>
#include <linux/mount.h>

#include <algorithm>
#include <array>

#include "policy/machine_wide.h"
#include "policy/names.h"

namespace pmos::policy {
namespace {

using image::MountKind;
using image::NodeType;

constexpr std::uint64_t kSafe = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
constexpr std::uint64_t kSafest = kSafe | MOUNT_ATTR_NOEXEC;
constexpr std::uint64_t kDefaultTmpfs = 64ULL << 20, kDefaultRun = 16ULL << 20;

MountOp make_mount(MountKind kind, std::string source, std::string target,
                   std::uint64_t attributes) {
    MountOp op;
    op.kind = kind;
    op.source = std::move(source);
    op.target = std::move(target);
    op.attributes = attributes;
    return op;
}

MountOp tmpfs(std::string target, std::string mode, std::uint64_t size, std::uint64_t attributes) {
    MountOp op = make_mount(MountKind::filesystem, "tmpfs", std::move(target), attributes);
    op.options = {{"mode", std::move(mode)}, {"size", std::to_string(size)}};
    return op;
}

// nosuid and nodev always; noexec unless "exec"; a bind mount is read-only unless "rw".
std::uint64_t attributes_of(const std::vector<std::string>& options, bool read_only) {
    std::uint64_t attributes = kSafest | (read_only ? MOUNT_ATTR_RDONLY : 0U);
    for (const auto& option : options) {
        if (option == "exec") attributes &= ~std::uint64_t{MOUNT_ATTR_NOEXEC};
        if (option == "rw") attributes &= ~std::uint64_t{MOUNT_ATTR_RDONLY};
        attributes |= value_of(mount_option_names(), option).value_or(0);
    }
    return attributes;
}

void add_base(const Profile& p, std::vector<MountOp>& ops) {
    MountOp root = make_mount(MountKind::root, "", "/", kSafe | MOUNT_ATTR_RDONLY);
    root.idmapped = true;
    ops.push_back(std::move(root));
    MountOp dev =
        make_mount(MountKind::dev, "tmpfs", "/dev", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    dev.options = {{"mode", "755"}, {"size", "65536"}, {"nr_inodes", "128"}};
    ops.push_back(std::move(dev));
    // Every devpts mount is an instance of its own since Linux 4.7.
    MountOp pts = make_mount(MountKind::filesystem, "devpts", "/dev/pts",
                             MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    // All instances count towards kernel.pty.max: none gets near it, or learns how near others are.
    pts.options = {{"ptmxmode", "0666"}, {"mode", "0620"}, {"gid", "5"}, {"max", "64"}};
    ops.push_back(std::move(pts));
    ops.push_back(make_mount(MountKind::filesystem, "mqueue", "/dev/mqueue", kSafest));
    ops.push_back(tmpfs("/dev/shm", "1777", kDefaultTmpfs, kSafest));
    MountOp proc = make_mount(MountKind::filesystem, "proc", "/proc", kSafest);
    if (p.proc_pid_only) proc.options = {{"subset", "pid"}};
    ops.push_back(std::move(proc));
    const auto own = [&](std::string_view target) {
        return std::ranges::any_of(p.mounts, [&](const auto& m) { return m.target == target; }) ||
               std::ranges::any_of(p.volumes, [&](const auto& v) { return v.target == target; });
    };
    if (!own("/tmp")) ops.push_back(tmpfs("/tmp", "1777", kDefaultTmpfs, kSafest));
    if (!own("/run")) ops.push_back(tmpfs("/run", "755", kDefaultRun, kSafest));
}

void add_volumes(const Profile& p, const LaunchPlan& plan, std::vector<MountOp>& ops) {
    for (std::size_t i = 0; i < p.volumes.size(); ++i) {
        MountOp op = make_mount(MountKind::volume, "/dev/mapper/" + plan.volumes[i].dm_name,
                                p.volumes[i].target, attributes_of(p.volumes[i].options, false));
        op.idmapped = true;
        if (p.volumes[i].discards == "online") op.options = {{"discard", ""}};
        ops.push_back(std::move(op));
    }
}

void add_own(const Profile& p, std::vector<MountOp>& ops) {
    for (const auto& m : p.mounts) {
        if (m.type == "tmpfs") {
            const auto size = m.size != 0 ? m.size : kDefaultTmpfs;
            ops.push_back(tmpfs(m.target, m.target == "/run" ? "755" : "1777", size,
                                attributes_of(m.options, false)));
            continue;
        }
        MountOp op =
            make_mount(MountKind::bind, m.source, m.target, attributes_of(m.options, true));
        op.idmapped = true;
        ops.push_back(std::move(op));
    }
}

// What no namespace covers, and what programs do without.
void add_masks(std::vector<MountOp>& ops) {
    for (const char* path : {"/proc/driver", "/proc/sys"})
        ops.push_back(make_mount(MountKind::read_only, "", path, MOUNT_ATTR_RDONLY | kSafest));
    for (const auto& file : machine_wide())
        if (file.cover == Cover::mask)
            ops.push_back(make_mount(MountKind::mask, "", std::string(file.path), 0));
}

DeviceNode node(std::string path, std::uint32_t major, std::uint32_t minor) {
    DeviceNode n;
    n.path = std::move(path);
    n.type = NodeType::character;
    n.major = major;
    n.minor = minor;
    n.mode = 0666;
    return n;
}

DeviceNode link_to(std::string path, std::string target) {
    DeviceNode n;
    n.path = std::move(path);
    n.type = NodeType::symlink;
    n.mode = 0777;
    n.link = std::move(target);
    return n;
}

DeviceNode directory(std::string path) {
    DeviceNode n;
    n.path = std::move(path);
    n.type = NodeType::directory;
    n.mode = 0755;
    return n;
}

}  // namespace

std::vector<DeviceNode> base_device_nodes() {
    return {node("null", 1, 3),
            node("zero", 1, 5),
            node("full", 1, 7),
            node("random", 1, 8),
            node("urandom", 1, 9),
            node("tty", 5, 0),
            directory("pts"),
            directory("shm"),
            directory("mqueue"),
            link_to("ptmx", "pts/ptmx"),
            link_to("fd", "/proc/self/fd"),
            link_to("stdin", "/proc/self/fd/0"),
            link_to("stdout", "/proc/self/fd/1"),
            link_to("stderr", "/proc/self/fd/2")};
}

DeviceNode& add_device_node(std::vector<DeviceNode>& nodes, const HostDevice& device) {
    std::string path = device.path;
    if (path.starts_with("/dev/")) path.erase(0, 5);
    for (auto slash = path.find('/'); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
        const auto parent = path.substr(0, slash);
        if (std::ranges::find(nodes, parent, &DeviceNode::path) == nodes.end())
            nodes.push_back(directory(parent));
    }
    // Open to every id inside: the node exists in this mode alone and the cgroup's filter is the
    // gate, not the permission bits.
    DeviceNode n = node(path, device.major, device.minor);
    if (device.block) n.type = NodeType::block;
    n.device_class = device.device_class;
    return nodes.emplace_back(std::move(n));
}

std::vector<MountOp> mount_operations(const Profile& profile, const LaunchPlan& plan,
                                      const HostFacts& facts) {
    std::vector<MountOp> ops;
    add_base(profile, ops);
    add_volumes(profile, plan, ops);
    add_own(profile, ops);
    // Root's, and so nobody's inside: a socket may be connected to also where nothing is writable.
    const auto brokers = [&](const std::string& dir, std::string_view place) {
        ops.push_back(make_mount(MountKind::bind, dir + "/" + profile.mode, std::string(place),
                                 MOUNT_ATTR_RDONLY | kSafest));
    };
    if (plan.modem.any()) brokers(facts.modem_dir, kModemPlace);
    if (plan.audio.any()) brokers(facts.audio_dir, kAudioPlace);
    if (plan.display.shown) brokers(facts.panel_dir, kPanelPlace);
    if (plan.session.has_session_bus()) brokers(facts.notify_dir, kNotifyPlace);
    if (!profile.proc_pid_only) add_masks(ops);
    return ops;
}

std::uint64_t landlock_handled(std::uint32_t abi) {
    // ABI 1 has bits 0 to 12; 2 adds REFER, 3 TRUNCATE (Linux 6.2), 5 IOCTL_DEV (6.10).
    if (abi == 0) return 0;
    std::uint64_t rights = (1ULL << 13U) - 1;
    if (abi >= 2) rights |= 1ULL << 13U;
    if (abi >= 3) rights |= 1ULL << 14U;
    if (abi >= 5) rights |= 1ULL << 15U;
    return rights;
}

std::vector<LandlockRule> landlock_rules(const LaunchPlan& plan,
                                         const std::vector<std::string>& execute) {
    constexpr std::uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
    constexpr std::uint64_t kTruncate = 1ULL << 14U, kIoctlDev = 1ULL << 15U;
    const std::uint64_t handled = plan.landlock_handled;
    const std::uint64_t write =
        handled &
        ~std::uint64_t{LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                       LANDLOCK_ACCESS_FS_MAKE_BLOCK} &
        ~kIoctlDev;
    std::vector<LandlockRule> rules{{"/", kRead}};
    const auto add = [&](const std::string& path, std::uint64_t access) {
        const auto it = std::ranges::find(rules, path, &LandlockRule::path);
        if (it == rules.end())
            rules.push_back({path, access & handled});
        else
            it->access |= access & handled;
    };
    for (const auto& path : execute) add(path, kRead | LANDLOCK_ACCESS_FS_EXECUTE);
    add("/dev", kRead | LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate | kIoctlDev);
    for (const auto& op : plan.mounts) {
        const bool store =
            op.kind == MountKind::volume || op.kind == MountKind::bind ||
            (op.kind == MountKind::filesystem && (op.source == "tmpfs" || op.source == "mqueue"));
        if (!store || (op.attributes & MOUNT_ATTR_RDONLY) != 0) continue;
        const bool exec = (op.attributes & MOUNT_ATTR_NOEXEC) == 0;
        add(op.target, write | (exec ? LANDLOCK_ACCESS_FS_EXECUTE : 0U));
    }
    return rules;
}

}  // namespace pmos::policy
