// launch child: the mounts of a container. Runs after clone3: no heap, no locks. Its image is
// somebody's: links in it lead on inside it only, and procfs and sysfs go on directories alone.
#include <errno.h>
#include <linux/magic.h>
#include <linux/sched.h>

#include <cstring>

#include "runtime/launch/child/child.h"
#include "runtime/launch/child/copy_up.h"
#include "runtime/launch/tree.h"
#include "runtime/sys/file.h"
#include "runtime/sys/mount.h"

namespace pmos::launch {
namespace {

using image::MountKind;

int open_inside(int root, const char* path, bool follows, std::uint64_t flags) noexcept {
    const std::uint64_t links = follows ? 0 : RESOLVE_NO_SYMLINKS;
    return sys::sys_openat2(root, path, flags | O_PATH | O_CLOEXEC, 0,
                            RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | links);
}

// The parent of a path's last component, every directory made that is missing.
int make_way(int root, const char* path, bool follows, const char*& leaf) noexcept {
    char walked[kMaxPath];
    std::size_t size = 0;
    int dir = root;
    for (leaf = path; *path != 0;) {
        while (*path == '/') walked[size++] = *path++;
        leaf = path;
        const std::size_t begin = size;
        while (*path != 0 && *path != '/') walked[size++] = *path++;
        if (*path == 0) break;
        walked[size] = 0;
        int next = open_inside(root, walked, follows, O_DIRECTORY);
        if (next == -ENOENT) {
            const int made = sys::sys_mkdirat(dir, walked + begin, 0755);
            if (made < 0 && made != -EEXIST) return made;
            next = open_inside(root, walked, follows, O_DIRECTORY);
        }
        if (dir != root) sys::sys_close(dir);
        if (next < 0) return next;
        dir = next;
    }
    return dir;
}

int make_target(int root, const char* path, bool follows, bool is_directory) noexcept {
    const char* leaf = nullptr;
    const int parent = make_way(root, path, follows, leaf);
    if (parent < 0) return parent;
    int err = is_directory
                  ? sys::sys_mkdirat(parent, leaf, 0755)
                  : sys::sys_openat(parent, leaf, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
    if (err >= 0 && !is_directory) sys::sys_close(err);
    if (parent != root) sys::sys_close(parent);
    return err < 0 && err != -EEXIST ? err : open_inside(root, path, follows, 0);
}

// Nothing goes over what procfs shows but what hides it, and the few files that policy::oci lets
// in. At /proc itself is a procfs, or the masks would hide nothing.
int check_target(const image::MountOp& op, int tree, const char* path, int target) noexcept {
    if (std::strcmp(path, "/proc") == 0) return expect_filesystem(tree, PROC_SUPER_MAGIC);
    const int on_proc = expect_filesystem(target, PROC_SUPER_MAGIC);
    if (on_proc == -ESTALE || (on_proc == 0 && op.kind == MountKind::bind)) return 0;
    return on_proc == 0 ? -EBUSY : on_proc;
}

constexpr std::uint64_t kReadOnly = MOUNT_ATTR_RDONLY;

bool begins_filled(const image::MountOp& op) noexcept {
    return (op.flags & image::mount_copy_up) != 0;
}

int fill(const Child& child, const image::MountOp& op, int tree, int target) noexcept {
    CopiedRoot root;
    for (const image::Option& o : child.plan().table(op.options)) {
        const char* const key = child.plan().text(o.key);
        if (std::strcmp(key, "mode") == 0) root.mode = false;
        if (std::strcmp(key, "uid") == 0 || std::strcmp(key, "gid") == 0) root.owner = false;
    }
    if (const int err = copy_up(target, tree, root); err < 0) return err;
    if ((op.attributes & kReadOnly) == 0) return 0;
    mount_attr attr{};
    attr.attr_set = kReadOnly;
    return sys::sys_mount_setattr(tree, "", AT_EMPTY_PATH, attr);
}

int tree_of(Child& child, const image::MountOp& op) noexcept {
    const PlanView plan = child.plan();
    switch (op.kind) {
        case MountKind::dev:
            if (!child.launch.container->unprivileged) return child.launch.dev_tree;
            return mount_filesystem(plan, "tmpfs", op.options, op.attributes);
        case MountKind::bind: {
            if (!child.launch.container->unprivileged) return child.launch.trees[child.op];
            const int tree = open_bind(plan.text(op.source), op.flags);
            if (tree < 0) return tree;
            const int err = dress_tree(tree, op, -1);
            return err < 0 ? err : tree;
        }
        case MountKind::filesystem:
            return mount_filesystem(plan, plan.text(op.source), op.options,
                                    begins_filled(op) ? op.attributes & ~kReadOnly : op.attributes);
        default:
            return -EINVAL;
    }
}

// Made ahead, /dev has the least number of all mounts, and mountinfo(5) lists by number since
// Linux 6.8, where the order is to be that of the bundle. What is attached can be cloned from.
int attach_dev(int tree, int target) noexcept {
    if (const int err = sys::sys_attach_mount(tree, target); err < 0) return err;
    const int view =
        sys::sys_open_tree(tree, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    return view < 0 ? view : replace_mount(tree, view, target);
}

int attach(Child& child, const image::MountOp& op) noexcept {
    const char* path = child.plan().text(op.target);
    const bool follows = (op.flags & image::mount_follows) != 0;
    const int tree = tree_of(child, op);
    if (tree < 0) return tree;
    struct stat source {};
    if (const int err = sys::sys_fstat(tree, &source); err < 0) return err;
    int target = open_inside(child.root, path, follows, 0);
    if (target == -ENOENT) target = make_target(child.root, path, follows, S_ISDIR(source.st_mode));
    if (target < 0) return target;
    int err = check_target(op, tree, path, target);
    if (err == 0 && begins_filled(op)) err = fill(child, op, tree, target);
    if (err == 0)
        err = tree == child.launch.dev_tree ? attach_dev(tree, target)
                                            : sys::sys_attach_mount(tree, target);
    sys::sys_close(target);
    return err;
}

int propagate(int mount, std::uint32_t propagation) noexcept {
    mount_attr attr{};
    attr.propagation = propagation & ~kMsRec;
    const unsigned deep = (propagation & kMsRec) != 0 ? AT_RECURSIVE : 0;
    return sys::sys_mount_setattr(mount, "", AT_EMPTY_PATH | deep, attr);
}

}  // namespace

// Not private: what the plan has as a slave of a mount of the host is one.
int make_mounts_slaves(Child& child) noexcept {
    if ((child.header().namespaces & ~child.header().joined & CLONE_NEWNS) == 0) return 0;
    mount_attr attr{};
    attr.propagation = kMsSlave;
    return sys::sys_mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, attr);
}

int attach_container_root(Child& child) noexcept {
    if (child.launch.container->unprivileged) {
        const auto ops = child.plan().table(child.header().mounts);
        for (child.op = 0; ops[static_cast<std::size_t>(child.op)].kind != MountKind::root;)
            ++child.op;
        const image::MountOp& root = ops[static_cast<std::size_t>(child.op)];
        int& tree = child.launch.slots[__builtin_ctz(unsigned{slot_root_tree})];
        tree = open_bind(child.launch.container->root, root.flags);
        if (tree < 0) return tree;
        if (const int err = dress_tree(tree, root, -1); err < 0) return err;
        child.op = -1;
    }
    return attach_root(child);
}

int attach_container_mounts(Child& child) noexcept {
    for (const image::MountOp& op : child.plan().table(child.header().mounts)) {
        ++child.op;
        if (op.kind == MountKind::root || is_mask(op)) continue;
        if (const int err = attach(child, op); err < 0) return err;
    }
    return 0;
}

// Where its /dev was not made by the launcher; what is there already is somebody's.
int make_nodes(Child& child) noexcept {
    if (child.launch.dev_tree >= 0 || child.header().device_nodes.count == 0) return 0;
    const int dev = open_inside(child.root, "/dev", true, O_DIRECTORY);
    if (dev < 0) return dev;
    for (const image::DeviceNode& node : child.plan().table(child.header().device_nodes)) {
        ++child.op;
        const int err = make_node(child.plan(), dev, node, {node.uid, node.gid}, Owner{});
        if (err < 0 && err != -EEXIST) return err;
    }
    sys::sys_close(dev);
    return 0;
}

// Last of all: the plan's targets have been made by now.
int settle_root(Child& child) noexcept {
    const image::Header& h = child.header();
    // Engines leave it to the runtime; what cannot be made is told of when it is entered.
    const char* cwd = child.plan().text(h.cwd);
    if (open_inside(child.root, cwd, true, 0) == -ENOENT)
        (void)make_target(child.root, cwd, true, true);
    if ((h.container & image::container_read_only) != 0) {
        mount_attr attr{};
        attr.attr_set = MOUNT_ATTR_RDONLY;
        const int err = sys::sys_mount_setattr(child.root, "", AT_EMPTY_PATH, attr);
        if (err < 0) return err;
    }
    return 0;
}

int propagate_root(Child& child) noexcept {
    const std::uint32_t propagation = child.header().root_propagation;
    if (propagation == 0) return 0;
    const int root = sys::sys_openat(AT_FDCWD, "/", O_PATH | O_CLOEXEC);
    if (root < 0) return root;
    const int err = propagate(root, propagation);
    sys::sys_close(root);
    return err;
}

}  // namespace pmos::launch
