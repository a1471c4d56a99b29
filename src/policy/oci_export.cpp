// policy: a mode's plan as the config.json of an OCI bundle. See oci_export.h.
#include "policy/oci_export.h"

#include <linux/mount.h>
#include <linux/sched.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "policy/names.h"
#include "policy/oci_export_parts.h"

namespace pmos::policy::oci {
namespace {

using image::MountKind;
using image::NodeType;

// Of which every runtime knows that it is one: some refuse a newer.
constexpr std::string_view kOldest = "1.0.2";

class Exporter {
  public:
    Exporter(const LaunchPlan& plan, const Profile& profile) : plan_(plan), profile_(profile) {}

    Exported run() {
        w_.open_object().key("ociVersion").text(kOldest);
        process();
        w_.compact(true).key("root").open_object().key("path").text("rootfs");
        w_.key("readonly").boolean(true).close().compact(false);
        w_.key("hostname").text(plan_.hostname);
        mounts();
        w_.compact(true).key("annotations").open_object();
        w_.key("org.pmos.mode").text(plan_.mode).close().compact(false);
        own();
        w_.close();
        rest();
        return {w_.take(), std::move(unsaid_)};
    }

  private:
    void say(std::string line) { unsaid_.push_back(std::move(line)); }

    void capabilities(const char* set, std::uint64_t bits) {
        std::vector<std::string> names;
        for (const auto& [name, number] : capability_names())
            if ((bits >> number & 1U) != 0) names.emplace_back(name);
        w_.key(set).texts(names);
    }

    void process() {
        const policy::Process& p = plan_.process;
        w_.key("process").open_object().key("terminal").boolean(false);
        w_.compact(true).key("user").open_object().key("uid").number(p.uid).key("gid").number(
            p.gid);
        w_.key("umask").number(p.umask).key("additionalGids").open_array();
        for (const auto gid : p.additional_gids) w_.number(gid);
        w_.close().close();
        w_.key("args").texts(p.args).key("env").texts(p.env).compact(false);
        w_.key("cwd").text(p.cwd.empty() ? "/" : p.cwd);
        w_.key("capabilities").open_object().compact(true);
        const auto& c = p.capabilities;
        capabilities("bounding", c.bounding);
        capabilities("effective", c.effective);
        capabilities("permitted", c.permitted);
        capabilities("inheritable", c.inheritable);
        capabilities("ambient", c.ambient);
        w_.compact(false).close();
        w_.key("rlimits").open_array();
        for (const auto& limit : p.rlimits) rlimit(limit);
        w_.close().key("noNewPrivileges").boolean(true);
        w_.key("oomScoreAdj").number(p.oom_score_adj);
        w_.close();
    }

    void rlimit(const Rlimit& limit) {
        const auto names = rlimit_names();
        const auto it = std::ranges::find(names, std::uint64_t{limit.resource}, &NamedValue::value);
        if (it == names.end()) return;
        std::string name(it->name);
        std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::toupper(c); });
        w_.compact(true).open_object().key("type").text("RLIMIT_" + name);
        w_.key("soft").number(limit.soft).key("hard").number(limit.hard).close().compact(false);
    }

    std::vector<std::string> options(const MountOp& op) const {
        constexpr std::array kWords{std::pair{MOUNT_ATTR_RDONLY, "ro"},
                                    std::pair{MOUNT_ATTR_NOSUID, "nosuid"},
                                    std::pair{MOUNT_ATTR_NODEV, "nodev"},
                                    std::pair{MOUNT_ATTR_NOEXEC, "noexec"},
                                    std::pair{MOUNT_ATTR_NOATIME, "noatime"},
                                    std::pair{MOUNT_ATTR_NOSYMFOLLOW, "nosymfollow"}};
        std::vector<std::string> out;
        for (const auto& [bit, word] : kWords)
            if ((op.attributes & static_cast<std::uint64_t>(bit)) != 0) out.emplace_back(word);
        for (const auto& [key, value] : op.options)
            out.push_back(value.empty() ? key : key + "=" + value);
        return out;
    }

    void mount(const MountOp& op, std::string_view type, const std::string& source,
               std::vector<std::string> words) {
        w_.compact(true).open_object().key("destination").text(op.target).key("type").text(type);
        w_.key("source").text(source).key("options").texts(words).close().compact(false);
    }

    // Brokers' sockets are a phone's.
    void mounts() {
        w_.key("mounts").open_array();
        for (const auto& op : plan_.mounts) {
            auto words = options(op);
            if (op.kind == MountKind::filesystem || op.kind == MountKind::dev) {
                const auto type = op.kind == MountKind::dev ? "tmpfs" : op.source;
                mount(op, type, type, std::move(words));
            } else if (op.kind == MountKind::volume) {
                const auto volume =
                    std::ranges::find(plan_.volumes, op.target, &policy::Volume::target);
                words.emplace_back("bind");
                mount(op, "bind",
                      "volumes/" + (volume == plan_.volumes.end() ? "data" : volume->name),
                      std::move(words));
            } else if (op.kind == MountKind::bind && !is_brokers(op)) {
                words.emplace_back("rbind");
                mount(op, "bind", op.source, std::move(words));
            }
        }
        w_.close();
    }

    void id_map(const char* key, const std::vector<IdMap>& map) {
        w_.key(key).open_array();
        for (const auto& m : map) {
            w_.compact(true).open_object().key("containerID").number(m.inside);
            w_.key("hostID").number(m.outside).key("size").number(m.count).close().compact(false);
        }
        w_.close();
    }

    void paths(const char* key, MountKind kind) {
        std::vector<std::string> out;
        for (const auto& op : plan_.mounts)
            if (op.kind == kind) out.push_back(op.target);
        w_.key(key).texts(out);
    }

    void namespaces() {
        constexpr std::array kTypes{std::pair{std::uint64_t{CLONE_NEWUSER}, "user"},
                                    std::pair{std::uint64_t{CLONE_NEWNS}, "mount"},
                                    std::pair{std::uint64_t{CLONE_NEWPID}, "pid"},
                                    std::pair{std::uint64_t{CLONE_NEWIPC}, "ipc"},
                                    std::pair{std::uint64_t{CLONE_NEWUTS}, "uts"},
                                    std::pair{std::uint64_t{CLONE_NEWNET}, "network"},
                                    std::pair{std::uint64_t{CLONE_NEWCGROUP}, "cgroup"},
                                    std::pair{std::uint64_t{CLONE_NEWTIME}, "time"}};
        w_.key("namespaces").open_array();
        for (const auto& [bit, type] : kTypes)
            if ((plan_.namespaces & bit) != 0)
                w_.compact(true).open_object().key("type").text(type).close().compact(false);
        w_.close();
        if ((plan_.monotonic_offset | plan_.boottime_offset) == 0) return;
        w_.key("timeOffsets").open_object().compact(true);
        for (const auto& [name, offset] : {std::pair{"monotonic", plan_.monotonic_offset},
                                           std::pair{"boottime", plan_.boottime_offset}})
            w_.key(name).open_object().key("secs").number(offset).close();
        w_.compact(false).close();
    }

    void devices() {
        w_.key("resources").open_object().key("devices").open_array();
        w_.compact(true).open_object().key("allow").boolean(false);
        w_.key("access").text("rwm").close();
        for (const auto& node : plan_.device_nodes) {
            if (node.type == NodeType::symlink || node.foreground) continue;
            w_.open_object().key("allow").boolean(true);
            w_.key("type").text(node.type == NodeType::block ? "b" : "c");
            w_.key("major").number(node.major).key("minor").number(node.minor);
            w_.key("access").text("rw").close();
        }
        w_.compact(false).close().close();
        for (const auto& node : plan_.device_nodes)
            if (node.foreground)
                say(fmt::format("that /dev/{} is the mode's in the foreground only: it is left out",
                                node.path));
    }

    void own() {
        w_.key("linux").open_object();
        namespaces();
        id_map("uidMappings", plan_.uid_map);
        id_map("gidMappings", plan_.gid_map);
        paths("maskedPaths", MountKind::mask);
        paths("readonlyPaths", MountKind::read_only);
        devices();
        write_filter(w_, profile_, unsaid_);
        w_.close();
    }

    void rest() {
        for (const auto& v : plan_.volumes)
            say(fmt::format("that volume '{}' is encrypted: it is a directory of the bundle",
                            v.name));
        if (!plan_.root.root_hash.empty())
            say("that the root is verified: mount what you trust at rootfs");
        if (!plan_.apparmor.empty())
            say(fmt::format("AppArmor's profile '{}': a phone has it loaded", plan_.apparmor));
        if (plan_.landlock_handled != 0)
            say(fmt::format("Landlock: {} rules", plan_.landlock.size()));
        if (plan_.network.zone != Zone::none)
            say("the network: the bundle's namespace has no link");
        for (const auto& limit : plan_.cgroup)
            if (limit.controller != "")
                say(fmt::format("{} {}: a limit is for a machine that has its controller",
                                limit.file, limit.value));
        if (plan_.modem.any()) say("the modem's broker");
        if (plan_.audio.any()) say("the sound's broker");
        if (plan_.session.has_session_bus()) say("the notifications' broker");
        say("when the mode is locked, frozen and in front, and the hooks of that");
        say("pmos-init as PID 1: the program itself is");
    }

    const LaunchPlan& plan_;
    const Profile& profile_;
    JsonWriter w_;
    std::vector<std::string> unsaid_;
};

}  // namespace

Exported export_config(const LaunchPlan& plan, const Profile& profile) {
    return Exporter(plan, profile).run();
}

}  // namespace pmos::policy::oci
