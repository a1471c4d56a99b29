// launch: names below one directory descriptor, and mounts by descriptor. Follows no symbolic
// link, leaves no directory it was not given; no heap, usable after clone3.
#pragma once

#include <cstdint>

#include "runtime/launch/plan_view.h"

namespace pmos::launch {

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

// A new, detached mount of a file system: fsopen, options, create, fsmount.
int mount_filesystem(const PlanView& plan, const char* filesystem,
                     image::Table<image::Option> options, std::uint64_t attributes) noexcept;

// Sets a detached tree's attributes, takes it out of every propagation group and, with id_ns not
// negative, shifts it into that user namespace's ids.
int dress_tree(int tree, std::uint64_t attributes, int id_ns) noexcept;

// fstatfs(2) says that fd lies on this kind of file system; -ESTALE where it does not.
int expect_filesystem(int fd, long magic) noexcept;

}  // namespace pmos::launch
