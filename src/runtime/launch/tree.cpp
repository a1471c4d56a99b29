// launch: names below one directory descriptor, and mounts by descriptor. Follows no symbolic
// link, leaves no directory it was not given; no heap, usable after clone3.
#include "runtime/launch/tree.h"

#include <errno.h>

#include "runtime/sys/file.h"
#include "runtime/sys/mount.h"

namespace pmos::launch {
namespace {

constexpr std::size_t kMaxName = 255;

// Copies the component that starts at `path`; returns where it ends, nullptr when it is too long.
const char* take_component(const char* path, char (&name)[kMaxName + 1]) noexcept {
    std::size_t size = 0;
    while (path[size] != 0 && path[size] != '/') {
        if (size == kMaxName) return nullptr;
        name[size] = path[size];
        ++size;
    }
    name[size] = 0;
    return path + size;
}

// One step down: made when it is missing, and a real directory in any case.
int enter_directory(int dir, const char* name, Owner owner) noexcept {
    const int made = sys::sys_mkdirat(dir, name, 0755);
    if (made == 0) {
        const int err = sys::sys_fchownat(dir, name, owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW);
        if (err < 0) return err;
    } else if (made != -EEXIST && made != -EROFS) {
        return made;
    }
    return open_below(dir, name, O_DIRECTORY);
}

}  // namespace

int open_below(int root, const char* path, std::uint64_t flags) noexcept {
    // No O_NOFOLLOW: with O_PATH it would open a trailing link instead of refusing it.
    return sys::sys_openat2(root, path, flags | O_PATH | O_CLOEXEC, 0,
                            RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

int make_parents(int root, const char* path, Owner owner, const char*& leaf) noexcept {
    char name[kMaxName + 1];
    int dir = root;
    while (*path == '/') ++path;
    for (;;) {
        const char* end = take_component(path, name);
        if (end == nullptr) return -ENAMETOOLONG;
        if (*end == 0) break;
        const int next = enter_directory(dir, name, owner);
        if (dir != root) sys::sys_close(dir);
        if (next < 0) return next;
        dir = next;
        path = end + 1;
    }
    leaf = path;
    return dir;
}

int make_directories(int root, const char* path, Owner owner) noexcept {
    const char* leaf = nullptr;
    const int parent = make_parents(root, path, owner, leaf);
    if (parent < 0) return parent;
    const int dir = enter_directory(parent, leaf, owner);
    if (parent != root) sys::sys_close(parent);
    return dir;
}

int mount_filesystem(const PlanView& plan, const char* filesystem,
                     image::Table<image::Option> options, std::uint64_t attributes) noexcept {
    const int context = sys::sys_fsopen(filesystem, FSOPEN_CLOEXEC);
    if (context < 0) return context;
    int err = 0;
    for (const image::Option& o : plan.table(options)) {
        const bool flag = o.value.size == 0;
        err = sys::sys_fsconfig(context, flag ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING,
                                plan.text(o.key), flag ? nullptr : plan.text(o.value), 0);
        if (err < 0) break;
    }
    if (err == 0) err = sys::sys_fsconfig(context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0);
    if (err == 0)
        err = sys::sys_fsmount(context, FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes));
    sys::sys_close(context);
    return err;
}

int open_bind(const char* source, std::uint32_t flags) noexcept {
    const std::uint64_t links = (flags & image::mount_follows) != 0 ? 0 : RESOLVE_NO_SYMLINKS;
    const int place =
        sys::sys_openat2(AT_FDCWD, source, O_PATH | O_CLOEXEC, 0, links | RESOLVE_NO_MAGICLINKS);
    if (place < 0) return place;
    const unsigned deep = (flags & image::mount_recursive) != 0 ? AT_RECURSIVE : 0;
    const int tree =
        sys::sys_open_tree(place, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | deep);
    sys::sys_close(place);
    return tree;
}

namespace {

mount_attr attributes_of(std::uint64_t set, std::uint64_t cleared) noexcept {
    mount_attr attr{};
    attr.attr_set = set;
    attr.attr_clr = cleared;
    if ((set & MOUNT_ATTR__ATIME) != 0) attr.attr_clr |= MOUNT_ATTR__ATIME;
    return attr;
}

void map_ids(mount_attr& attr, int id_ns) noexcept {
    if (id_ns < 0) return;
    attr.attr_set |= MOUNT_ATTR_IDMAP;
    attr.userns_fd = static_cast<std::uint64_t>(id_ns);
}

}  // namespace

int dress_tree(int tree, const image::MountOp& op, int id_ns) noexcept {
    mount_attr own = attributes_of(op.attributes, op.cleared);
    const std::uint32_t propagation = op.propagation != 0 ? op.propagation : kMsPrivate;
    own.propagation = propagation & ~kMsRec;
    const bool maps_deep = (op.flags & image::mount_maps_deep) != 0;
    if (!maps_deep) map_ids(own, id_ns);
    if (const int err = sys::sys_mount_setattr(tree, "", AT_EMPTY_PATH, own); err < 0) return err;
    if ((op.flags & image::mount_recursive) == 0) return 0;
    // What is mounted below came along in its own groups.
    mount_attr deep = attributes_of(op.deep_attributes, op.deep_cleared);
    deep.propagation = propagation & ~kMsRec;
    if (maps_deep) map_ids(deep, id_ns);
    return sys::sys_mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, deep);
}

int expect_filesystem(int fd, long magic) noexcept {
    struct statfs fs {};
    if (const int err = sys::sys_fstatfs(fd, &fs); err < 0) return err;
    return fs.f_type == magic ? 0 : -ESTALE;
}

}  // namespace pmos::launch
