// sys: the mount API (Linux 5.2, 5.12). Raw system calls, noexcept, value or -errno; no heap.
#pragma once

#include <fcntl.h>
#include <linux/mount.h>

#include <cstdint>

#include "runtime/sys/raw.h"

namespace pmos::sys {

inline constexpr int kUmountDetach = 2;  // MNT_DETACH; <sys/mount.h> cannot join <linux/mount.h>

inline int sys_open_tree(int dir, const char* path, unsigned flags) noexcept {
    return static_cast<int>(raw(SYS_open_tree, dir, path, flags));
}
inline int sys_move_mount(int from, const char* from_path, int to, const char* to_path,
                          unsigned flags) noexcept {
    return static_cast<int>(raw(SYS_move_mount, from, from_path, to, to_path, flags));
}
// Puts the detached mount `from` on the file or directory that `to` is open on.
inline int sys_attach_mount(int from, int to) noexcept {
    return sys_move_mount(from, "", to, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}
inline int sys_fsopen(const char* filesystem, unsigned flags) noexcept {
    return static_cast<int>(raw(SYS_fsopen, filesystem, flags));
}
inline int sys_fspick(int dir, const char* path, unsigned flags) noexcept {
    return static_cast<int>(raw(SYS_fspick, dir, path, flags));
}
inline int sys_fsconfig(int fd, unsigned command, const char* key, const void* value,
                        int aux) noexcept {
    return static_cast<int>(raw(SYS_fsconfig, fd, command, key, value, aux));
}
inline int sys_fsmount(int fd, unsigned flags, unsigned attributes) noexcept {
    return static_cast<int>(raw(SYS_fsmount, fd, flags, attributes));
}
inline int sys_mount_setattr(int dir, const char* path, unsigned flags,
                             const mount_attr& attributes) noexcept {
    return static_cast<int>(
        raw(SYS_mount_setattr, dir, path, flags, &attributes, sizeof attributes));
}
inline int sys_pivot_root(const char* new_root, const char* put_old) noexcept {
    return static_cast<int>(raw(SYS_pivot_root, new_root, put_old));
}
inline int sys_umount2(const char* path, int flags) noexcept {
    return static_cast<int>(raw(SYS_umount2, path, flags));
}

}  // namespace pmos::sys
