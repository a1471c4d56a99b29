// policy: an OCI configuration to the LaunchPlan that launches it. See oci_plan.h.
#include "policy/oci_plan.h"

#include <fmt/format.h>
#include <linux/mount.h>
#include <linux/sched.h>

#include <algorithm>
#include <array>

namespace pmos::policy::oci {
namespace {

using image::MountKind;
using image::NodeType;

constexpr std::uint32_t kRec = 1U << 14, kUnbindable = 1U << 17, kPrivate = 1U << 18,
                        kSlave = 1U << 19, kShared = 1U << 20;  // MS_* of mount(2)

// Runtime-spec, config-linux.md: default devices.
struct DefaultDevice {
    std::string_view name;
    std::uint32_t major, minor;
};
constexpr std::array kDefaultDevices{
    DefaultDevice{"null", 1, 3},   DefaultDevice{"zero", 1, 5},    DefaultDevice{"full", 1, 7},
    DefaultDevice{"random", 1, 8}, DefaultDevice{"urandom", 1, 9}, DefaultDevice{"tty", 5, 0},
};
struct Link {
    std::string_view name, target;
};
constexpr std::array kLinks{
    Link{"fd", "/proc/self/fd"},       Link{"stdin", "/proc/self/fd/0"},
    Link{"stdout", "/proc/self/fd/1"}, Link{"stderr", "/proc/self/fd/2"},
    Link{"ptmx", "pts/ptmx"},
};

// What tools that show a container its own share put there (lxcfs); runc's list.
bool may_cover(std::string_view path) {
    constexpr std::string_view kFiles[] = {"/proc/cpuinfo", "/proc/diskstats",
                                           "/proc/loadavg", "/proc/meminfo",
                                           "/proc/net/dev", "/proc/slabinfo",
                                           "/proc/stat",    "/proc/swaps",
                                           "/proc/uptime",  "/proc/sys/kernel/ns_last_pid"};
    return std::ranges::count(kFiles, path) != 0;
}

// '.' and '/' in a name of sysctl(8) stand for each other.
char as_path(char c) { return c == '.' ? '/' : c == '/' ? '.' : c; }

class Compiler {
  public:
    Compiler(const Config& config, const HostSide& host, std::vector<Diagnostic>& out)
        : config_(config), host_(host), out_(out) {}

    LaunchPlan run(const std::string& id) {
        plan_.mode = id;
        plan_.hostname = config_.hostname;
        plan_.container.emplace();
        namespaces();
        root();
        for (const auto& m : config_.mounts) mount(m);
        devices();
        for (const auto& path : config_.masked_paths) cover(MountKind::mask, path);
        for (const auto& path : config_.read_only_paths) cover(MountKind::read_only, path);
        hooks();
        Container& c = *plan_.container;
        c.domainname = config_.domainname;
        c.personality = config_.personality;
        for (auto [name, value] : config_.sysctl) {
            std::ranges::transform(name, name.begin(), as_path);
            c.sysctl.emplace_back(std::move(name), std::move(value));
        }
        plan_.uid_map = config_.uid_map;
        plan_.gid_map = config_.gid_map;
        plan_.monotonic_offset = config_.monotonic_offset.seconds;
        plan_.boottime_offset = config_.boottime_offset.seconds;
        if (config_.monotonic_offset.nanoseconds != 0 || config_.boottime_offset.nanoseconds != 0)
            refuse(where("linux/timeOffsets"), "an offset of less than a second is not made");
        return std::move(plan_);
    }

  private:
    void refuse(const Location& at, std::string message, std::string fix = "") {
        out_.push_back(finding(Rule::unsupported, at, std::move(message), std::move(fix)));
    }
    Location where(std::string_view path) const {
        const Node* node = config_.source.at_path(path);
        return node == nullptr ? config_.source.at : node->at;
    }

    void namespaces() {
        for (const auto& ns : config_.namespaces) {
            plan_.namespaces |= ns.type;
            if (ns.path.empty()) continue;
            if (ns.type == CLONE_NEWNS)
                refuse(ns.at, "a mount namespace that is there cannot be joined",
                       "leave its path out");
            if (ns.type == CLONE_NEWUSER && host_.unprivileged)
                refuse(ns.at, "a user namespace that is there, by an ordinary user",
                       "leave its path out");
            plan_.container->joined |= ns.type;
        }
        // CLONE_VM is refused to who is to have another (copy_process(), before Linux 6.3).
        if ((plan_.container->joined & CLONE_NEWUSER) != 0 &&
            (plan_.namespaces & CLONE_NEWTIME) != 0)
            refuse(where("linux/namespaces"),
                   "a time namespace beside a user namespace that is there",
                   "leave one of the two out");
        if ((plan_.namespaces & CLONE_NEWNS) == 0)
            refuse(where("linux/namespaces"), "a container without a mount namespace of its own",
                   R"(add { "type": "mount" })");
    }

    void root() {
        MountOp op;
        op.kind = MountKind::root;
        op.target = "/";
        op.flags = image::mount_recursive;
        plan_.mounts.push_back(std::move(op));
        if (config_.root_read_only) plan_.container->flags |= image::container_read_only;
        constexpr std::uint32_t kFlags[] = {0, kShared, kSlave, kPrivate, kUnbindable};
        plan_.container->root_propagation =
            kFlags[static_cast<std::size_t>(config_.root_propagation)] |
            (config_.root_propagation_recursive ? kRec : 0);
    }

    std::string source_of(const Mount& m) const {
        return m.source.starts_with('/') ? m.source : host_.bundle + "/" + m.source;
    }

    // Without mappings of its own it has the container's.
    void map_ids(MountOp& op, const Mount& m, bool deep) {
        if (host_.unprivileged) refuse(m.at, "a mount with id mappings, by an ordinary user");
        const bool own = !m.uid_mappings.empty();
        op.idmapped = true;
        op.uid_map = own ? m.uid_mappings : config_.uid_map;
        op.gid_map = own ? m.gid_mappings : config_.gid_map;
        if (deep) op.flags |= image::mount_maps_deep;
    }

    void mount(const Mount& m) {
        const MountOptions options = read_options(m.options);
        if (!options.refused.empty())
            refuse(m.at, fmt::format("the mount option '{}' is not done", options.refused));
        MountOp op;
        op.target = m.destination;
        op.attributes = options.attributes;
        op.cleared = options.cleared;
        op.deep_attributes = options.deep_attributes;
        op.deep_cleared = options.deep_cleared;
        op.propagation = options.propagation;
        if (m.destination == "/") return refuse(m.at, "a mount over the root");
        const bool is_bind = options.bind || m.type == "bind" || m.type == "rbind";
        const bool deep = is_bind && (options.recursive || m.type == "rbind");
        // Where nothing is below it, what is meant for all is its own.
        if (!deep) {
            op.attributes |= options.deep_attributes;
            op.cleared |= options.deep_cleared;
        }
        if (m.destination.starts_with("/proc/") && !may_cover(m.destination))
            refuse(m.at, fmt::format("a mount over '{}'", m.destination),
                   "what procfs shows is covered by maskedPaths alone");
        if (is_bind) {
            op.kind = MountKind::bind;
            op.source = source_of(m);
            op.flags = image::mount_follows;
            if (deep) op.flags |= image::mount_recursive;
            if (options.maps || !m.uid_mappings.empty()) map_ids(op, m, deep && options.maps_deep);
        } else {
            if (options.maps || !m.uid_mappings.empty())
                refuse(m.at, "id mappings of what is no bind mount",
                       "the container's user namespace says whose it is");
            op.kind = MountKind::filesystem;
            op.source = m.type == "cgroup" ? "cgroup2" : m.type;
            const bool cgroup = op.source == "cgroup2";
            // A mount of its own would set the one file system's options anew, for the machine.
            if (cgroup && !config_.has(CLONE_NEWCGROUP) && !host_.cgroup_mount.empty()) {
                op.kind = MountKind::bind;
                op.source = host_.cgroup_mount;
                op.flags = image::mount_recursive;
                plan_.mounts.push_back(std::move(op));
                return;
            }
            op.options = options.data;
            // The kernel's own go on plain directories: a link there is somebody's trap.
            const bool kernels = m.type == "proc" || m.type == "sysfs" || m.type == "cgroup" ||
                                 m.type == "cgroup2" || m.type == "devpts" ||
                                 m.destination == "/dev";
            op.flags = kernels ? 0U : std::uint32_t{image::mount_follows};
            if (m.type == "tmpfs" && m.destination == "/dev") op.kind = MountKind::dev;
            if (options.copy_up && m.type == "tmpfs" && op.kind != MountKind::dev)
                op.flags |= image::mount_copy_up;
            // Of what has a device behind it that is the device, of the others a name.
            if (!m.source.empty()) op.options.emplace_back("source", m.source);
        }
        if (m.destination == "/dev") binds_dev_ = is_bind;
        plan_.mounts.push_back(std::move(op));
    }

    void add_node(const std::string& name, NodeType type, std::uint32_t major, std::uint32_t minor,
                  std::uint32_t mode, std::uint32_t uid, std::uint32_t gid) {
        std::erase_if(plan_.device_nodes, [&](const DeviceNode& n) { return n.path == name; });
        if (host_.unprivileged) {
            MountOp op;
            op.kind = MountKind::bind;
            op.source = op.target = "/dev/" + name;
            std::erase_if(plan_.mounts, [&](const MountOp& m) {
                return m.kind == MountKind::bind && m.target == op.target && m.source == op.source;
            });
            plan_.mounts.push_back(std::move(op));
            return;
        }
        DeviceNode node;
        node.path = name;
        node.type = type;
        node.major = major;
        node.minor = minor;
        node.mode = mode;
        node.uid = uid;
        node.gid = gid;
        plan_.device_nodes.push_back(std::move(node));
    }

    void devices() {
        // Somebody's own /dev is left as it is.
        if (binds_dev_) return;
        for (const auto& d : kDefaultDevices)
            add_node(std::string(d.name), NodeType::character, d.major, d.minor, 0666, 0, 0);
        for (const auto& d : config_.devices) {
            constexpr std::string_view kDev = "/dev/";
            if (!d.path.starts_with(kDev)) {
                refuse(d.at, "a device outside /dev is not made");
                continue;
            }
            if (host_.unprivileged && d.type == NodeType::fifo) {
                refuse(d.at, "a fifo among the devices, by an ordinary user",
                       "the machine has none to show");
                continue;
            }
            add_node(d.path.substr(kDev.size()), d.type, d.major, d.minor, d.file_mode, d.uid,
                     d.gid);
        }
        for (const auto& link : kLinks) {
            std::erase_if(plan_.device_nodes,
                          [&](const DeviceNode& n) { return n.path == link.name; });
            DeviceNode node;
            node.path = link.name;
            node.type = NodeType::symlink;
            node.link = link.target;
            plan_.device_nodes.push_back(std::move(node));
        }
    }

    void cover(MountKind kind, const std::string& path) {
        MountOp op;
        op.kind = kind;
        op.target = path;
        plan_.mounts.push_back(std::move(op));
    }

    void hooks() {
        for (const auto& hook : config_.hooks) {
            const bool at_start = hook.point == HookPoint::start_container;
            if (!at_start && hook.point != HookPoint::create_container) continue;
            plan_.container->hooks.push_back(
                {at_start, hook.path, hook.args, hook.env,
                 hook.timeout_s > UINT32_MAX / 1000 ? UINT32_MAX : hook.timeout_s * 1000});
        }
    }

    const Config& config_;
    const HostSide& host_;
    std::vector<Diagnostic>& out_;
    LaunchPlan plan_;
    bool binds_dev_ = false;
};

void put_process(const Process& p, const HostSide& host, LaunchPlan& plan) {
    plan.process.args = p.args;
    plan.process.env = p.env;
    plan.process.cwd = p.cwd;
    plan.process.uid = p.user.uid;
    plan.process.gid = p.user.gid;
    plan.process.umask = p.user.umask.value_or(0022);
    plan.process.additional_gids = p.user.additional_gids;
    plan.process.rlimits = p.rlimits;
    plan.process.oom_score_adj = p.oom_score_adj.value_or(host.oom_score_adj);
    // What this kernel does not have nobody can have.
    const std::uint64_t known =
        (host.last_capability >= 63 ? 0 : 1ULL << (host.last_capability + 1)) - 1;
    const auto& c = p.capabilities;
    plan.process.capabilities = {c.bounding & known, c.effective & known, c.permitted & known,
                                 c.inheritable & known, c.ambient & known};
    plan.apparmor = p.apparmor_profile;
    if (!p.no_new_privileges) plan.container->flags |= image::container_gains;
    if (std::ranges::none_of(p.env, [](const auto& e) { return e.starts_with("HOME="); }))
        plan.container->flags |= image::container_finds_home;
    plan.seccomp = host.seccomp;
    plan.seccomp_flags = host.seccomp_flags;
}

void check_process(const Process& p, const HostSide& host, std::vector<Diagnostic>& out) {
    const auto refuse = [&](std::string message, std::string fix = "") {
        out.push_back(finding(Rule::unsupported, p.at, std::move(message), std::move(fix)));
    };
    if (!p.apparmor_profile.empty() && !host.apparmor)
        refuse("apparmorProfile, and AppArmor is not enabled here", "leave it out");
    if (p.scheduler) refuse("a scheduler of its own is not set");
    if (p.io_priority) refuse("ioPriority is not set");
    if (!p.initial_affinity.empty() || !p.final_affinity.empty())
        refuse("execCPUAffinity is not set");
}

}  // namespace

std::optional<LaunchPlan> compile(const Config& config, const std::string& id, const HostSide& host,
                                  std::vector<Diagnostic>& diagnostics) {
    if (!config.process) {
        diagnostics.push_back(finding(Rule::missing_key, config.source.at,
                                      "'process' is missing, and there is nothing to run"));
        return std::nullopt;
    }
    LaunchPlan plan = Compiler(config, host, diagnostics).run(id);
    check_process(*config.process, host, diagnostics);
    put_process(*config.process, host, plan);
    if (has_errors(diagnostics)) return std::nullopt;
    return plan;
}

LaunchPlan compile_exec(const Config& config, const Process& process, const std::string& id,
                        const HostSide& host) {
    LaunchPlan plan;
    plan.mode = id;
    plan.container.emplace();
    for (const auto& ns : config.namespaces) plan.namespaces |= ns.type;
    plan.uid_map = config.uid_map;
    plan.gid_map = config.gid_map;
    MountOp root;
    root.kind = MountKind::root;
    root.target = "/";
    plan.mounts.push_back(std::move(root));
    put_process(process, host, plan);
    return plan;
}

}  // namespace pmos::policy::oci
