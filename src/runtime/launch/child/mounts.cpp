// launch child: the mode's file system tree. Runs after clone3: no heap, no locks; resolves no
// path but below the mode's root and through no symbolic link (CVE-2025-31133, -52565, -52881).
#include <errno.h>
#include <linux/magic.h>
#include <sys/sysmacros.h>

#include <cstring>

#include "runtime/launch/child/child.h"
#include "runtime/launch/tree.h"
#include "runtime/sys/file.h"
#include "runtime/sys/mount.h"

namespace pmos::launch {
namespace {

constexpr std::uint64_t kMaskAttributes =
    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

// What is attached can be cloned from; before Linux 6.15 a detached mount cannot.
int attach_volume(int tree, int target) noexcept {
    if (const int err = sys::sys_attach_mount(tree, target); err < 0) return err;
    const int part = open_below(tree, image::kModePart, 0);
    if (part < 0) return part;
    const int view =
        sys::sys_open_tree(part, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    sys::sys_close(part);
    return view < 0 ? view : replace_mount(tree, view, target);
}

int make_file(int root, const char* path) noexcept {
    const char* leaf = nullptr;
    const int dir = make_parents(root, path, Owner{}, leaf);
    if (dir < 0) return dir;
    const int fd =
        sys::sys_openat(dir, leaf, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0) return fd;
    sys::sys_close(fd);
    return open_below(root, path, 0);
}

// The target, made where the mode's tree lets us and it is missing.
int open_target(const Child& child, const image::MountOp& op, int tree) noexcept {
    const char* path = child.plan().text(op.target);
    int target = open_below(child.root, path, 0);
    if (target == -ENOENT) {
        struct stat source {};
        if (const int err = sys::sys_fstat(tree, &source); err < 0) return err;
        target = S_ISDIR(source.st_mode) ? make_directories(child.root, path, Owner{})
                                         : make_file(child.root, path);
    }
    if (target < 0) return target;
    // Nothing is ever put over procfs but what hides parts of it.
    const int on_proc = expect_filesystem(target, PROC_SUPER_MAGIC);
    if (on_proc == -ESTALE) return target;
    return on_proc == 0 ? -EBUSY : on_proc;
}

int tree_of(Child& child, const image::MountOp& op) noexcept {
    const PlanView plan = child.plan();
    switch (op.kind) {
        case image::MountKind::dev:
            return child.launch.dev_tree;
        case image::MountKind::volume:
        case image::MountKind::bind:
            return child.launch.trees[child.op];
        case image::MountKind::filesystem:
            return mount_filesystem(plan, plan.text(op.source), op.options, op.attributes);
        default:
            return -EINVAL;
    }
}

// Hides a file behind /dev/null, a directory behind one shared empty tmpfs.
int hide(Child& child, int target) noexcept {
    struct stat what {};
    if (const int err = sys::sys_fstat(target, &what); err < 0) return err;
    int source = child.null;
    if (S_ISDIR(what.st_mode)) {
        if (child.empty < 0) {
            child.empty = mount_filesystem(child.plan(), "tmpfs", {}, kMaskAttributes);
            return child.empty < 0 ? child.empty : sys::sys_attach_mount(child.empty, target);
        }
        source = child.empty;
    }
    if (source < 0) return -ENODEV;
    const int copy =
        sys::sys_open_tree(source, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    return copy < 0 ? copy : sys::sys_attach_mount(copy, target);
}

int protect(int target, std::uint64_t attributes) noexcept {
    const int copy = sys::sys_open_tree(
        target, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
    if (copy < 0) return copy;
    mount_attr attr{};
    attr.attr_set = attributes | MOUNT_ATTR_RDONLY;
    const int err = sys::sys_mount_setattr(copy, "", AT_EMPTY_PATH | AT_RECURSIVE, attr);
    return err < 0 ? err : sys::sys_attach_mount(copy, target);
}

int attach_mask(Child& child, const image::MountOp& op) noexcept {
    const char* path = child.plan().text(op.target);
    const int target = open_below(child.root, path, 0);
    if (target == -ENOENT) return 0;  // this kernel has nothing there to hide
    if (target < 0) return target;
    if (std::strncmp(path, "/proc/", 6) == 0)
        if (const int err = expect_filesystem(target, PROC_SUPER_MAGIC); err < 0) return err;
    return op.kind == image::MountKind::mask ? hide(child, target) : protect(target, op.attributes);
}

}  // namespace

int replace_mount(int attached, int view, int target) noexcept {
    if (const int err = sys::sys_fchdir(attached); err < 0) return err;
    if (const int err = sys::sys_umount2(".", sys::kUmountDetach); err < 0) return err;
    return sys::sys_attach_mount(view, target);
}

int make_mounts_private(Child&) noexcept {
    mount_attr attr{};
    attr.propagation = kMsPrivate;
    return sys::sys_mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, attr);
}

int attach_root(Child& child) noexcept {
    // On top of the old root, which leaves by pivot_root: no directory of the host is needed.
    child.root = child.launch.slot(slot_root_tree);
    return sys::sys_move_mount(child.root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
}

int attach_mounts(Child& child) noexcept {
    for (const image::MountOp& op : child.plan().table(child.header().mounts)) {
        ++child.op;
        if (op.kind == image::MountKind::root || is_mask(op)) continue;
        const int tree = tree_of(child, op);
        if (tree < 0) return tree;
        const int target = open_target(child, op, tree);
        if (target < 0) return target;
        const int err = op.kind == image::MountKind::volume ? attach_volume(tree, target)
                                                            : sys::sys_attach_mount(tree, target);
        if (err < 0) return err;
        sys::sys_close(target);
    }
    return 0;
}

int verify_devices(Child& child) noexcept {
    const int null = open_below(child.root, "/dev/null", 0);
    if (null == -ENOENT) return 0;  // then nothing can ask for it either
    if (null < 0) return null;
    struct stat file {};
    if (const int err = sys::sys_fstat(null, &file); err < 0) return err;
    if (!S_ISCHR(file.st_mode) || file.st_rdev != makedev(1, 3)) return -ESTALE;
    child.null = null;
    return 0;
}

int attach_masks(Child& child) noexcept {
    for (const image::MountOp& op : child.plan().table(child.header().mounts)) {
        ++child.op;
        if (!is_mask(op)) continue;
        if (const int err = attach_mask(child, op); err < 0) return err;
    }
    return 0;
}

int pivot_into_root(Child& child) noexcept {
    if (const int err = sys::sys_fchdir(child.root); err < 0) return err;
    if (const int err = sys::sys_pivot_root(".", "."); err < 0) return err;
    // The old root now lies over the new one.
    if (const int err = sys::sys_umount2(".", sys::kUmountDetach); err < 0) return err;
    return sys::sys_chdir("/");
}

}  // namespace pmos::launch
