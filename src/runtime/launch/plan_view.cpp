// launch: checks a plan image before anything follows an offset in it. No heap, no system call.
#include "runtime/launch/plan_view.h"

#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/seccomp.h>

#include <cstring>

namespace pmos::launch {
namespace {

using image::Header;
using image::MountKind;
using image::NodeType;
using image::Table;
using image::Text;

constexpr std::uint64_t kNeededNamespaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID;
constexpr std::uint64_t kKnownNamespaces = kNeededNamespaces | CLONE_NEWIPC | CLONE_NEWUTS |
                                           CLONE_NEWCGROUP | CLONE_NEWNET | CLONE_NEWTIME;
constexpr std::uint64_t kKnownMountAttributes =
    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
    MOUNT_ATTR_NOATIME | MOUNT_ATTR_STRICTATIME | MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW;
constexpr std::uint32_t kKnownFilterFlags =
    SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_NEW_LISTENER;
constexpr std::uint32_t kContainerFilterFlags =
    kKnownFilterFlags | SECCOMP_FILTER_FLAG_SPEC_ALLOW | 1U << 5;  // WAIT_KILLABLE_RECV, Linux 5.19
constexpr std::uint32_t kKnownMountFlags =
    image::mount_recursive | image::mount_follows | image::mount_copy_up | image::mount_maps_deep;
constexpr std::uint32_t kKnownContainerFlags = image::container_is | image::container_gains |
                                               image::container_read_only |
                                               image::container_finds_home;
constexpr std::uint32_t kPropagations = 1U << 14 | 1U << 17 | 1U << 18 | 1U << 19 | 1U << 20;
constexpr std::uint32_t kResources = 16;  // RLIM_NLIMITS

// Components separated by one "/", none of them empty, "." or "..".
bool is_clean(const char* path, std::uint32_t size) noexcept {
    std::uint32_t start = 0;
    for (std::uint32_t i = 0; i <= size; ++i) {
        if (i < size && path[i] != '/') continue;
        const std::uint32_t length = i - start;
        if (length == 0) return false;
        if (path[start] == '.' && (length == 1 || (length == 2 && path[start + 1] == '.')))
            return false;
        start = i + 1;
    }
    return size < kMaxPath;
}

class Checker {
  public:
    explicit Checker(std::span<const std::byte> data) noexcept
        : data_(data.data()), size_(data.size()) {}

    PlanFault run() noexcept;

  private:
    template <class T>
    bool table_ok(Table<T> t, std::uint32_t most) const noexcept {
        if (t.count == 0) return t.offset <= size_;
        return t.count <= most && t.offset % 8 == 0 && t.offset >= sizeof(Header) &&
               t.offset <= size_ && t.count <= (size_ - t.offset) / sizeof(T);
    }
    bool text_ok(Text t) const noexcept {
        if (t.size == 0 && t.offset == 0) return true;
        if (t.offset < sizeof(Header) || t.offset >= size_ || t.size >= size_ - t.offset)
            return false;
        const void* nul = std::memchr(data_ + t.offset, 0, std::size_t{t.size} + 1);
        return nul == data_ + t.offset + t.size;
    }
    bool texts_ok(Table<Text> table) const noexcept {
        for (const Text& t : view_.table(table))
            if (!text_ok(t)) return false;
        return true;
    }
    bool absolute(Text t) const noexcept {
        const char* path = view_.text(t);
        return path[0] == '/' && (t.size == 1 || is_clean(path + 1, t.size - 1));
    }

    PlanFault shape() const noexcept;
    PlanFault id_maps(Table<image::IdMap> table) const noexcept;
    PlanFault mounts() const noexcept;
    PlanFault mount(const image::MountOp& op) const noexcept;
    PlanFault nodes() const noexcept;
    PlanFault process() const noexcept;
    PlanFault confinement() const noexcept;
    PlanFault container() const noexcept;
    bool is_container() const noexcept { return view_.header().container != 0; }

    const std::byte* data_;
    std::size_t size_;
    PlanView view_{data_};
};

PlanFault Checker::shape() const noexcept {
    const Header& h = view_.header();
    // A cluster tells each container of all its services.
    const std::uint32_t strings = is_container() ? kMaxContainerStrings : kMaxStrings;
    if (std::memcmp(h.magic, image::kMagic, sizeof h.magic) != 0) return PlanFault::magic;
    if (h.version != image::kVersion) return PlanFault::version;
    if (h.size != size_) return PlanFault::size;
    if (!table_ok(h.uid_map, kMaxIdMaps) || !table_ok(h.gid_map, kMaxIdMaps) ||
        !table_ok(h.mounts, kMaxMounts) ||
        !table_ok(h.device_nodes, is_container() ? kMaxContainerNodes : kMaxNodes) ||
        !table_ok(h.args, strings) || !table_ok(h.env, strings) ||
        !table_ok(h.additional_gids, is_container() ? kMaxContainerStrings : kMaxGroups) ||
        !table_ok(h.rlimits, kMaxRlimits) || !table_ok(h.seccomp, kMaxInstructions) ||
        !table_ok(h.landlock, kMaxLandlockRules) || !table_ok(h.seccomp_answer, kMaxInstructions) ||
        !table_ok(h.device_filter, kMaxInstructions) || !table_ok(h.sysctl, kMaxStrings) ||
        !table_ok(h.hooks, kMaxHooks))
        return PlanFault::table;
    for (const Text& t : {h.mode, h.hostname, h.cwd, h.apparmor, h.json, h.domainname})
        if (!text_ok(t)) return PlanFault::text;
    if (!texts_ok(h.args) || !texts_ok(h.env)) return PlanFault::text;
    return PlanFault::none;
}

PlanFault Checker::id_maps(Table<image::IdMap> table) const noexcept {
    const bool needed = !is_container() || (view_.header().namespaces & CLONE_NEWUSER) != 0;
    if (needed && table.count == 0) return PlanFault::id_map;
    for (const image::IdMap& m : view_.table(table)) {
        const std::uint32_t top = UINT32_MAX;  // (uid_t)-1 is nobody's
        if (m.count == 0 || (m.outside == 0 && !is_container())) return PlanFault::id_map;
        if (m.count > top - m.inside || m.count > top - m.outside) return PlanFault::id_map;
    }
    return PlanFault::none;
}

PlanFault Checker::mount(const image::MountOp& op) const noexcept {
    if (op.kind > MountKind::read_only || op.idmapped > 1) return PlanFault::mount;
    const std::uint64_t attributes =
        op.attributes | op.cleared | op.deep_attributes | op.deep_cleared;
    if ((attributes & ~kKnownMountAttributes) != 0) return PlanFault::mount;
    const bool plain = op.flags == 0 && op.propagation == 0 &&
                       (op.cleared | op.deep_attributes | op.deep_cleared) == 0;
    if (!is_container() && !plain) return PlanFault::mount;
    if ((op.flags & ~kKnownMountFlags) != 0 || (op.propagation & ~kPropagations) != 0)
        return PlanFault::mount;
    if (!text_ok(op.source) || !text_ok(op.target)) return PlanFault::text;
    if (!table_ok(op.options, kMaxStrings)) return PlanFault::table;
    for (const image::Option& o : view_.table(op.options))
        if (!text_ok(o.key) || !text_ok(o.value)) return PlanFault::text;
    if (!absolute(op.target)) return PlanFault::path;
    const bool at_top = op.target.size == 1;
    if (at_top != (op.kind == MountKind::root)) return PlanFault::path;
    const bool host_path = op.kind == MountKind::bind || op.kind == MountKind::volume;
    if (host_path && !absolute(op.source)) return PlanFault::path;
    return PlanFault::none;
}

PlanFault Checker::mounts() const noexcept {
    std::uint32_t roots = 0, devs = 0;
    for (const image::MountOp& op : view_.table(view_.header().mounts)) {
        if (const PlanFault fault = mount(op); fault != PlanFault::none) return fault;
        roots += op.kind == MountKind::root;
        devs += op.kind == MountKind::dev;
    }
    return roots == 1 && devs <= 1 ? PlanFault::none : PlanFault::mount;
}

PlanFault Checker::nodes() const noexcept {
    for (const image::DeviceNode& n : view_.table(view_.header().device_nodes)) {
        if (n.type > NodeType::fifo || n.mode > 07777) return PlanFault::node;
        if (!text_ok(n.path) || !text_ok(n.link)) return PlanFault::text;
        if (!is_clean(view_.text(n.path), n.path.size)) return PlanFault::path;
        if ((n.type == NodeType::symlink) != (n.link.size != 0)) return PlanFault::node;
    }
    return PlanFault::none;
}

PlanFault Checker::process() const noexcept {
    const Header& h = view_.header();
    if (h.args.count == 0 || view_.table(h.args).data()->size == 0) return PlanFault::process;
    for (const Text& t : view_.table(h.env)) {
        const char* entry = view_.text(t);
        const char* equals = std::strchr(entry, '=');
        if (equals == nullptr || equals == entry) return PlanFault::process;
    }
    if (!absolute(h.cwd)) return PlanFault::path;
    for (const image::Rlimit& r : view_.table(h.rlimits))
        if (r.resource >= kResources || r.soft > r.hard) return PlanFault::rlimit;
    return PlanFault::none;
}

PlanFault Checker::confinement() const noexcept {
    const Header& h = view_.header();
    if ((h.cap_effective & ~h.cap_permitted) != 0 || (h.cap_permitted & ~h.cap_bounding) != 0 ||
        (h.cap_ambient & ~(h.cap_permitted & h.cap_inheritable)) != 0)
        return PlanFault::capabilities;
    const std::uint32_t known = is_container() ? kContainerFilterFlags : kKnownFilterFlags;
    if ((h.seccomp.count == 0 && !is_container()) || (h.seccomp_flags & ~known) != 0)
        return PlanFault::seccomp;
    // A filter that asks has somebody to answer, and nobody waits to be asked by another; of a
    // container it is for somebody else to answer.
    if (!is_container() && ((h.seccomp_flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0) !=
                               (h.seccomp_answer.count != 0))
        return PlanFault::seccomp;
    for (const image::LandlockRule& r : view_.table(h.landlock)) {
        if (!text_ok(r.path)) return PlanFault::text;
        if (!absolute(r.path)) return PlanFault::path;
        if (r.access == 0 || (r.access & ~h.landlock_handled) != 0) return PlanFault::landlock;
    }
    return PlanFault::none;
}

PlanFault Checker::container() const noexcept {
    const Header& h = view_.header();
    if ((h.container & ~kKnownContainerFlags) != 0 || (h.joined & ~h.namespaces) != 0 ||
        (h.root_propagation & ~kPropagations) != 0)
        return PlanFault::container;
    if (!is_container())
        return h.joined == 0 && h.root_propagation == 0 && h.personality < 0 &&
                       h.sysctl.count == 0 && h.hooks.count == 0 && h.domainname.size == 0
                   ? PlanFault::none
                   : PlanFault::container;
    if ((h.container & image::container_is) == 0) return PlanFault::container;
    for (const image::Option& o : view_.table(h.sysctl)) {
        if (!text_ok(o.key) || !text_ok(o.value)) return PlanFault::text;
        if (!is_clean(view_.text(o.key), o.key.size)) return PlanFault::path;
    }
    for (const image::ContainerHook& hook : view_.table(h.hooks)) {
        if (!table_ok(hook.args, kMaxStrings) || !table_ok(hook.env, kMaxStrings))
            return PlanFault::table;
        if (!text_ok(hook.path) || !texts_ok(hook.args) || !texts_ok(hook.env))
            return PlanFault::text;
        if (!absolute(hook.path)) return PlanFault::path;
    }
    return PlanFault::none;
}

PlanFault Checker::run() noexcept {
    if (size_ < sizeof(Header) || size_ > image::kMaxSize) return PlanFault::size;
    if (const PlanFault fault = shape(); fault != PlanFault::none) return fault;
    const Header& h = view_.header();
    if (h.mode.size == 0 || h.hostname.size > kMaxHostname) return PlanFault::mode_name;
    if (const PlanFault fault = container(); fault != PlanFault::none) return fault;
    const std::uint64_t needed = is_container() ? 0 : kNeededNamespaces;
    if ((h.namespaces & ~kKnownNamespaces) != 0 || (h.namespaces & needed) != needed)
        return PlanFault::namespaces;
    if (const PlanFault fault = id_maps(h.uid_map); fault != PlanFault::none) return fault;
    if (const PlanFault fault = id_maps(h.gid_map); fault != PlanFault::none) return fault;
    if (const PlanFault fault = mounts(); fault != PlanFault::none) return fault;
    if (const PlanFault fault = nodes(); fault != PlanFault::none) return fault;
    if (const PlanFault fault = process(); fault != PlanFault::none) return fault;
    return confinement();
}

}  // namespace

PlanFault PlanView::check(std::span<const std::byte> data) noexcept { return Checker(data).run(); }

bool map_id(std::span<const image::IdMap> map, std::uint32_t inside,
            std::uint32_t& outside) noexcept {
    for (const image::IdMap& m : map) {
        if (inside < m.inside || inside - m.inside >= m.count) continue;
        outside = m.outside + (inside - m.inside);
        return true;
    }
    return false;
}

}  // namespace pmos::launch
