// policy: everything that a mode can touch beyond its own processes. Asks no host.
#include "policy/reach.h"

#include <fmt/format.h>
#include <linux/landlock.h>
#include <linux/mount.h>

#include <algorithm>

#include "policy/kernel_objects.h"
#include "policy/lint.h"
#include "policy/machine_wide.h"
#include "policy/names.h"
#include "policy/x25519.h"

namespace pmos::policy {
namespace {

using image::MountKind;

class Reach {
  public:
    Reach(const Subject& s, const Arch& arch)
        : p_(s.profile),
          plan_(s.plan),
          filter_{from_bytes(s.plan.seccomp), arch},
          walls_(mount_walls(s.plan.process.capabilities, filter_)) {}

    std::vector<Access> take() {
        files();
        devices();
        network();
        hooks();
        kernel();
        numbers();
        notifications();
        std::ranges::stable_sort(out_, [](const Access& a, const Access& b) {
            return std::pair(a.kind, std::string_view(a.resource)) <
                   std::pair(b.kind, std::string_view(b.resource));
        });
        return std::move(out_);
    }

  private:
    void files();
    void tree(const MountOp& op);
    void devices();
    void device_words(const Node& node, const std::string& device_class);
    void network();
    void hooks();
    void kernel();
    void numbers();
    void notifications();

    Access& add(Resource kind, std::string resource, std::uint8_t rights, std::string how,
                Location at) {
        Access a;
        a.kind = kind;
        a.resource = std::move(resource);
        a.rights = rights;
        a.how = std::move(how);
        a.at = std::move(at);
        return out_.emplace_back(std::move(a));
    }
    bool executes(const MountOp& op) const;
    bool masked(const MachineWide& counter) const;

    const Profile& p_;
    const LaunchPlan& plan_;
    const Filter filter_;
    const MountWalls walls_;
    std::vector<Access> out_;
};

bool Reach::executes(const MountOp& op) const {
    if (walls_.options && (op.attributes & MOUNT_ATTR_NOEXEC) != 0) return false;
    if (!p_.landlock_required) return true;
    return std::ranges::any_of(plan_.landlock, [&](const LandlockRule& rule) {
        return (rule.access & LANDLOCK_ACCESS_FS_EXECUTE) != 0 &&
               (rule.path == "/" || rule.path == op.target ||
                op.target.starts_with(rule.path + "/") || rule.path.starts_with(op.target + "/"));
    });
}

void Reach::tree(const MountOp& op) {
    const auto spec = std::ranges::find(p_.mounts, op.target, &MountSpec::target);
    std::uint8_t rights = right_read | right_signal;
    if (!walls_.options || (op.attributes & MOUNT_ATTR_RDONLY) == 0) rights |= right_write;
    if (executes(op)) rights |= right_execute;
    add(Resource::tree, op.source, rights, op.target,
        spec == p_.mounts.end() ? p_.where("mounts") : spec->at);
}

void Reach::files() {
    add(Resource::image, plan_.root.path, right_read | right_execute | right_signal, "/",
        p_.where("root/image"));
    if (!plan_.fallback.path.empty())
        add(Resource::image, plan_.fallback.path, right_read | right_execute | right_signal, "/",
            p_.where("root/fallback/image"));
    for (const auto& op : plan_.mounts)
        if (op.kind == MountKind::bind && !is_brokers(op)) tree(op);
    for (std::size_t i = 0; i < plan_.volumes.size(); ++i) {
        const Volume& v = plan_.volumes[i];
        const auto op = std::ranges::find(plan_.mounts, v.target, &MountOp::target);
        std::uint8_t rights = right_read | right_write | right_signal;
        if (op != plan_.mounts.end() && executes(*op)) rights |= right_execute;
        add(Resource::volume, v.source, rights, v.target, p_.volumes[i].at);
    }
}

constexpr std::string_view kBrokers[][2] = {{"audio", "the sound's broker"},
                                            {"modem", "the modem's broker"},
                                            {"display", "the panel"},
                                            {"input", "the panel"}};

std::string arbiter_of(const Profile& p, std::string_view device_class) {
    if (!unarbitrated(p, device_class).empty()) return "";
    for (const auto& [name, broker] : kBrokers)
        if (name == device_class) return std::string(broker);
    if (p.session.background == Background::freeze)
        return "the switch, which freezes who leaves the foreground";
    const auto right = p.devices.find(std::string(device_class));
    if (right == p.devices.end() || !foreground_only(device_class, right->second)) return "";
    return "the switch, which takes it from who leaves the foreground";
}

// A class whose right is a list of services, or has parts of its own.
void Reach::device_words(const Node& node, const std::string& device_class) {
    const auto part = [&](const std::string& name, const Location& at) {
        Access& a = add(Resource::device, device_class + "-" + name, right_read | right_write,
                        "devices/" + device_class, at);
        a.by = arbiter_of(p_, device_class);
        a.enforced = device_class == "audio" || device_class == "modem";
    };
    for (const auto& item : node.items) part(item.text, item.at);
    for (const auto& member : node.members)
        if (member.value.text != "none") part(member.key, member.value.at);
}

void Reach::devices() {
    const Node* classes = p_.source.find("devices");
    if (classes == nullptr) return;
    for (const auto& [key, key_at, node] : classes->members) {
        if (!node.is(Node::Kind::string)) {
            device_words(node, key);
            continue;
        }
        if (node.text == "none") continue;
        Access& a =
            add(Resource::device, key, right_read | right_write, "right " + node.text, node.at);
        a.by = arbiter_of(p_, key);
        a.enforced = std::ranges::any_of(
            plan_.device_nodes, [&](const DeviceNode& n) { return n.device_class == key; });
    }
}

// A tunnel by its name, and who is at its other end: two names may lead to one peer.
void Reach::network() {
    const auto& network = plan_.network;
    if (network.zone == Zone::direct)
        add(Resource::network, "uplink", right_connect, "network", p_.where("network"));
    if (network.zone != Zone::tunnel) return;
    add(Resource::network, "tunnel " + network.tunnel.name, right_connect, "network",
        p_.where("network/tunnel/name"));
    for (std::size_t i = 0; i < network.tunnel.peers.size(); ++i)
        add(Resource::network, "peer " + key_text(network.tunnel.peers[i].public_key),
            right_connect, "network",
            p_.where(fmt::format("network/tunnel/peers/{}/publicKey", i)));
}

void Reach::hooks() {
    for (const auto& hook : plan_.hooks) {
        const auto same = std::ranges::find_if(out_, [&](const Access& a) {
            return a.kind == Resource::host_program && a.resource == hook.path;
        });
        if (same != out_.end()) continue;
        Access& a = add(Resource::host_program, hook.path, right_connect,
                        "hook " + std::string(hook_point_name(hook.point)), p_.where("hooks"));
        a.by = "the program itself, which is the host's";
    }
}

void Reach::kernel() {
    for (const auto& object : kernel_objects()) {
        const Gate* gate = open_gate(object, filter_);
        std::uint8_t rights = object.shows_everyone ? right_write : 0;
        if (gate != nullptr && object.barrier.empty())
            rights = static_cast<std::uint8_t>(rights | object.rights);
        if (rights == 0) continue;
        Access& a = add(Resource::kernel, std::string(object.name), rights,
                        gate != nullptr ? std::string(gate->syscall) : std::string(object.what),
                        p_.where("seccomp/allow"));
        a.ambient = rights == right_write;
    }
}

bool Reach::masked(const MachineWide& counter) const {
    if (!walls_.masks) return false;
    if (p_.proc_pid_only) return !counter.per_process;
    return std::ranges::any_of(plan_.mounts, [&](const MountOp& op) {
        return op.kind == MountKind::mask && op.target == counter.path;
    });
}

void Reach::numbers() {
    for (const auto& counter : machine_wide()) {
        if (counter.counts.empty()) continue;
        const bool file = counter.path.starts_with('/');
        const bool readable = file ? !masked(counter) : filter_.admits({counter.path});
        // Whatever a mode does moves them: to write takes no right.
        Access& a = add(Resource::counter, std::string(counter.path),
                        readable ? right_read | right_write : right_write,
                        std::string(counter.counts), p_.where(file ? "" : "seccomp/allow"));
        a.ambient = file || !readable;
    }
}

// Every mode that has any may see what the others let be seen, while it is in front.
void Reach::notifications() {
    const auto tells = p_.session.notifications;
    if (tells == Notifications::off) return;
    for (const auto& [what, least] :
         {std::pair{"count", Notifications::count}, {"text", Notifications::full}}) {
        const std::uint8_t rights = tells >= least ? right_read | right_write : right_read;
        Access& a = add(Resource::notifications, what, rights, "session bus",
                        p_.where("session/notifications"));
        a.by = "the notifications' broker";
    }
}

}  // namespace

std::string rights_text(std::uint8_t rights) {
    constexpr std::string_view kNames[] = {"read", "write", "execute", "signal", "connect"};
    std::string text;
    for (std::size_t i = 0; i < std::size(kNames); ++i)
        if ((rights >> i & 1U) != 0) text += (text.empty() ? "" : ", ") + std::string(kNames[i]);
    return text;
}

std::vector<Access> reach(const Subject& subject) {
    return Reach(subject, *find_arch(subject.facts.arch)).take();
}

}  // namespace pmos::policy
