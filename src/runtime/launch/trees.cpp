// launch: the plan and the mounts that need the host's privileges, all before clone3. Attaches
// nothing anywhere: closing the descriptors undoes everything here.
#include <errno.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "runtime/launch/launcher.h"
#include "runtime/launch/tree.h"
#include "runtime/sys/file.h"
#include "runtime/sys/mount.h"
#include "runtime/sys/number.h"

namespace pmos::launch {
namespace {

constexpr long kNeededSeals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;

int check_seals(int fd) noexcept {
    const int seals = sys::sys_fcntl(fd, F_GET_SEALS, 0);
    if (seals < 0) return seals;
    return (seals & kNeededSeals) == kNeededSeals ? 0 : -EPERM;
}

void fill_strings(Launch& launch) noexcept {
    const PlanView plan = launch.plan();
    const char** next = launch.argv;
    *next++ = launch.container != nullptr ? "container" : "pmos-init";
    for (const image::Text& t : plan.table(plan.header().args)) *next++ = plan.text(t);
    *next = nullptr;
    next = launch.envp;
    for (const image::Text& t : plan.table(plan.header().env)) *next++ = plan.text(t);
    *next = nullptr;
}

// Both ids outside; the plan names ids inside the mode.
int outside_owner(const PlanView& plan, std::uint32_t uid, std::uint32_t gid,
                  Owner& owner) noexcept {
    if (plan.header().uid_map.count == 0) {
        owner = {uid, gid};
        return 0;
    }
    const bool mapped = map_id(plan.table(plan.header().uid_map), uid, owner.uid) &&
                        map_id(plan.table(plan.header().gid_map), gid, owner.gid);
    return mapped ? 0 : -EOVERFLOW;
}

int set_number(int context, const char* key, std::uint32_t value) noexcept {
    sys::TextBuffer<16> text;
    text.add(static_cast<std::int64_t>(value));
    return sys::sys_fsconfig(context, FSCONFIG_SET_STRING, key, text.text(), 0);
}

// tmpfs cannot be idmapped before 6.3, so it is made with the mode's root as its owner.
int mount_dev(const PlanView& plan, const image::MountOp& op, Owner root) noexcept {
    const int context = sys::sys_fsopen("tmpfs", FSOPEN_CLOEXEC);
    if (context < 0) return context;
    int err = set_number(context, "uid", root.uid);
    if (err == 0) err = set_number(context, "gid", root.gid);
    if (err == 0) err = sys::sys_fsconfig(context, FSCONFIG_SET_STRING, "mode", "0755", 0);
    for (const image::Option& o : plan.table(op.options)) {
        if (err < 0) break;
        err = sys::sys_fsconfig(context, FSCONFIG_SET_STRING, plan.text(o.key), plan.text(o.value),
                                0);
    }
    if (err == 0) err = sys::sys_fsconfig(context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0);
    const auto attributes = static_cast<unsigned>(op.attributes) & ~unsigned{MOUNT_ATTR_RDONLY};
    if (err == 0) err = sys::sys_fsmount(context, FSMOUNT_CLOEXEC, attributes);
    sys::sys_close(context);
    return err;
}

// Volumes are ext4; the source is a path of the host, chosen by pmosd.
int mount_volume(const PlanView& plan, const image::MountOp& op) noexcept {
    const int context = sys::sys_fsopen("ext4", FSOPEN_CLOEXEC);
    if (context < 0) return context;
    int err = sys::sys_fsconfig(context, FSCONFIG_SET_STRING, "source", plan.text(op.source), 0);
    for (const image::Option& o : plan.table(op.options)) {
        if (err < 0) break;
        const bool flag = o.value.size == 0;
        err = sys::sys_fsconfig(context, flag ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING,
                                plan.text(o.key), flag ? nullptr : plan.text(o.value), 0);
    }
    if (err == 0 && (op.attributes & MOUNT_ATTR_RDONLY) != 0)
        err = sys::sys_fsconfig(context, FSCONFIG_SET_FLAG, "ro", nullptr, 0);
    if (err == 0) err = sys::sys_fsconfig(context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0);
    if (err == 0)
        err = sys::sys_fsmount(context, FSMOUNT_CLOEXEC, static_cast<unsigned>(op.attributes));
    sys::sys_close(context);
    return err;
}

int make_node_of(const PlanView& plan, int dev, const image::DeviceNode& node,
                 Owner root) noexcept {
    Owner owner;
    const int err = outside_owner(plan, node.uid, node.gid, owner);
    return err < 0 ? err : make_node(plan, dev, node, owner, root);
}

// Gone is what there has not been, too.
int unlink_node(int dev, const char* path, Owner root) noexcept {
    const char* name = nullptr;
    const int dir = make_parents(dev, path, root, name);
    if (dir < 0) return dir;
    const int err = sys::sys_unlinkat(dir, name, 0);
    if (dir != dev) sys::sys_close(dir);
    return err == -ENOENT ? 0 : err;
}

// Where "path" goes on below "top" ("/dev/pts" below "/dev": "/pts"), nullptr where it does not.
const char* below(const char* path, const char* top) noexcept {
    while (*top != 0 && *path == *top) {
        ++path;
        ++top;
    }
    return *top == 0 && *path == '/' ? path : nullptr;
}

// What the child mounts below /dev needs a directory to be mounted on.
int make_mount_points(Launch& launch, const char* dev_target, Owner root) noexcept {
    const PlanView plan = launch.plan();
    for (const image::MountOp& op : plan.table(plan.header().mounts)) {
        if (op.kind != image::MountKind::filesystem) continue;
        const char* rest = below(plan.text(op.target), dev_target);
        if (rest == nullptr) continue;
        const int dir = make_directories(launch.dev_tree, rest, root);
        if (dir < 0) return dir;
        sys::sys_close(dir);
    }
    return 0;
}

int build_dev_with(Launch& launch) noexcept {
    const PlanView plan = launch.plan();
    const image::MountOp* dev = nullptr;
    for (const image::MountOp& op : plan.table(plan.header().mounts))
        if (op.kind == image::MountKind::dev) dev = &op;
    if (dev == nullptr) return 0;
    Owner root;
    if (const int err = outside_owner(plan, 0, 0, root); err < 0) return err;
    launch.dev_tree = mount_dev(plan, *dev, root);
    if (launch.dev_tree < 0) return launch.dev_tree;
    for (const image::DeviceNode& node : plan.table(plan.header().device_nodes)) {
        ++launch.op;
        if (const int err = make_node_of(plan, launch.dev_tree, node, root); err < 0) return err;
    }
    launch.op = -1;
    const char* target = plan.text(dev->target);
    if (const int err = make_mount_points(launch, target, root); err < 0) return err;
    if ((dev->attributes & MOUNT_ATTR_RDONLY) == 0) return 0;
    return dress_tree(launch.dev_tree, *dev, -1);
}

// -1: there is none. A mode's are all in its own range.
int id_space(const Launch& launch, unsigned which) noexcept {
    const ContainerParts* const parts = launch.container;
    if (parts == nullptr) return launch.slot(slot_id_ns);
    return which < parts->id_space_count ? parts->id_spaces[which] : -1;
}

}  // namespace

int map_plan(Launch& launch) noexcept {
    const int fd = launch.slot(slot_plan);
    if (const int err = check_seals(fd); err < 0) return err;
    if (const int program = launch.slot(slot_program); program >= 0)
        if (const int err = check_seals(program); err < 0) return err;
    struct stat file {};
    if (const int err = sys::sys_fstat(fd, &file); err < 0) return err;
    if (file.st_size < static_cast<long>(sizeof(image::Header)) ||
        file.st_size > static_cast<long>(image::kMaxSize))
        return -EBADMSG;
    const auto size = static_cast<std::uint32_t>(file.st_size);
    const long address =
        sys::raw(SYS_mmap, nullptr, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (address < 0) return static_cast<int>(address);
    launch.plan_data = reinterpret_cast<const std::byte*>(address);
    launch.plan_size = size;
    if (const int err = check_plan(launch); err < 0) return err;
    const std::uint64_t namespaces = launch.plan().header().namespaces;
    const bool net_ahead = launch.slot(slot_net_ns) >= 0;
    return launch.is(Verb::start) && ((namespaces & CLONE_NEWNET) != 0) != net_ahead ? -EINVAL : 0;
}

int check_plan(Launch& launch) noexcept {
    const PlanFault fault = PlanView::check({launch.plan_data, launch.plan_size});
    const bool is_container = launch.container != nullptr;
    if (fault != PlanFault::none || (launch.plan().header().container != 0) != is_container) {
        launch.op = static_cast<std::int32_t>(fault);
        return -EBADMSG;
    }
    fill_strings(launch);
    return 0;
}

int build_dev(Launch& launch) noexcept {
    if (launch.container == nullptr) return build_dev_with(launch);
    if (launch.container->unprivileged) return 0;
    const unsigned before = sys::sys_umask(0);
    const int err = build_dev_with(launch);
    sys::sys_umask(before);
    return err;
}

// Inside the mode, whose root may have put there what it likes: no link is followed, and what has
// a node's name makes room for it.
int change_dev(Launch& launch) noexcept {
    const PlanView plan = launch.plan();
    const bool take_away = launch.request.take_away != 0;
    Owner root;
    if (const int err = outside_owner(plan, 0, 0, root); err < 0) return err;
    const int dev = open_below(AT_FDCWD, "/dev", O_DIRECTORY);
    if (dev < 0) return dev;
    if (const int err = expect_filesystem(dev, TMPFS_MAGIC); err < 0) return err;
    for (const image::DeviceNode& node : plan.table(plan.header().device_nodes)) {
        ++launch.op;
        int err = unlink_node(dev, plan.text(node.path), root);
        if (err == 0 && !take_away) err = make_node_of(plan, dev, node, root);
        if (err < 0) return err;
    }
    launch.op = -1;
    return 0;
}

int open_volumes(Launch& launch) noexcept {
    const PlanView plan = launch.plan();
    for (const image::MountOp& op : plan.table(plan.header().mounts)) {
        ++launch.op;
        if (op.kind != image::MountKind::volume) continue;
        const int id_ns = launch.slot(slot_id_ns);
        if (op.idmapped != 0 && id_ns < 0) return -EINVAL;
        int& tree = launch.trees[launch.op];
        tree = mount_volume(plan, op);
        if (tree < 0) return tree;
        if (op.idmapped == 0) continue;
        if (const int err = dress_tree(tree, image::MountOp{}, id_ns); err < 0) return err;
    }
    launch.op = -1;
    return 0;
}

int open_binds(Launch& launch) noexcept {
    if (launch.container != nullptr && launch.container->unprivileged) return 0;
    const PlanView plan = launch.plan();
    unsigned idmapped = 0;
    for (const image::MountOp& op : plan.table(plan.header().mounts)) {
        ++launch.op;
        const bool root = op.kind == image::MountKind::root;
        if (!root && op.kind != image::MountKind::bind) continue;
        const int id_ns = op.idmapped != 0 ? id_space(launch, idmapped++) : -1;
        if (op.idmapped != 0 && id_ns < 0) return -EINVAL;
        int& tree = launch.trees[launch.op];
        tree = root ? launch.slot(slot_root_tree) : open_bind(plan.text(op.source), op.flags);
        if (tree < 0) return tree;
        if (const int err = dress_tree(tree, op, id_ns); err < 0) return err;
    }
    launch.op = -1;
    return 0;
}

}  // namespace pmos::launch
