// launch: names below one directory descriptor, and mounts by descriptor. Follows no symbolic
// link, leaves no directory it was not given; no heap, usable after clone3.
#pragma once

#include <cstdint>

#include "runtime/launch/plan_view.h"

namespace pmos::launch {

// MS_* of mount(2): <sys/mount.h> cannot join <linux/mount.h>.
inline constexpr std::uint32_t kMsRec = 1U << 14, kMsPrivate = 1U << 18, kMsSlave = 1U << 19;

// It hides or protects what is there, and is made behind all others.
inline bool is_mask(const image::MountOp& op) noexcept {
    return op.kind == image::MountKind::mask || op.kind == image::MountKind::read_only;
}

struct Owner {
    std::uint32_t uid = 0, gid = 0;
};

// Opens (O_PATH) what `path` names below root. Anything but a plain path is refused with ELOOP,
// EXDEV or ENOENT; absolute paths start at root.
int open_below(int root, const char* path, std::uint64_t flags) noexcept;

// Makes the directories of `path` that are missing, one component after the other, 0755 and
// owned by owner, and opens the last (O_PATH). With up_to_parent the last component is left
// alone; `leaf` then points at it.
int make_directories(int root, const char* path, Owner owner) noexcept;
int make_parents(int root, const char* path, Owner owner, const char*& leaf) noexcept;

// One of the plan's entries of a /dev, owner's; the directories above it that are missing are
// root's.
int make_node(const PlanView& plan, int dev, const image::DeviceNode& node, Owner owner,
              Owner root) noexcept;

// A new, detached mount of a file system: fsopen, options, create, fsmount.
int mount_filesystem(const PlanView& plan, const char* filesystem,
                     image::Table<image::Option> options, std::uint64_t attributes) noexcept;

// A copy of what is mounted at a path of the host, of image::MountFlag `flags`. Without
// mount_follows the path is what was judged: a link in it could name something else.
int open_bind(const char* source, std::uint32_t flags) noexcept;

// Sets a detached tree's attributes as op has them, takes it out of every propagation group, or
// where op says so not, and, with id_ns not negative, shifts it into that user namespace's ids.
int dress_tree(int tree, const image::MountOp& op, int id_ns) noexcept;

// fstatfs(2) says that fd lies on this kind of file system; -ESTALE where it does not.
int expect_filesystem(int fd, long magic) noexcept;

}  // namespace pmos::launch
