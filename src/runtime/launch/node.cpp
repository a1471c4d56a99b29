// launch: one entry of a /dev. Follows no symbolic link; no heap, usable after clone3.
#include <errno.h>
#include <sys/sysmacros.h>

#include "runtime/launch/tree.h"
#include "runtime/sys/file.h"

namespace pmos::launch {
namespace {

unsigned file_type(image::NodeType type) noexcept {
    if (type == image::NodeType::fifo) return S_IFIFO;
    return type == image::NodeType::block ? S_IFBLK : S_IFCHR;
}

int make_special(int dir, const char* name, const image::DeviceNode& node, Owner owner) noexcept {
    const unsigned type = file_type(node.type);
    const std::uint64_t device = makedev(node.major, node.minor);
    int err = sys::sys_mknodat(dir, name, type | node.mode, device);
    if (err < 0) return err;
    err = sys::sys_fchownat(dir, name, owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW);
    if (err < 0) return err;
    struct stat made {};
    err = sys::sys_fstatat(dir, name, &made, AT_SYMLINK_NOFOLLOW);
    if (err < 0) return err;
    const bool right = (made.st_mode & S_IFMT) == type && made.st_rdev == device &&
                       made.st_uid == owner.uid && made.st_gid == owner.gid;
    return right ? 0 : -ESTALE;
}

}  // namespace

int make_node(const PlanView& plan, int dev, const image::DeviceNode& node, Owner owner,
              Owner root) noexcept {
    const char* name = nullptr;
    const int dir = make_parents(dev, plan.text(node.path), root, name);
    if (dir < 0) return dir;
    int err = 0;
    switch (node.type) {
        case image::NodeType::character:
        case image::NodeType::block:
        case image::NodeType::fifo:
            err = make_special(dir, name, node, owner);
            break;
        case image::NodeType::symlink:
            err = sys::sys_symlinkat(plan.text(node.link), dir, name);
            break;
        case image::NodeType::directory:
            err = sys::sys_mkdirat(dir, name, node.mode);
            if (err == 0)
                err = sys::sys_fchownat(dir, name, owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW);
            break;
    }
    if (dir != dev) sys::sys_close(dir);
    return err;
}

}  // namespace pmos::launch
