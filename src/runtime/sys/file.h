// sys: files and descriptors. Raw system calls, noexcept, value or -errno; never errno, no heap.
#pragma once

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <cstddef>
#include <cstdint>

#include "runtime/sys/raw.h"

namespace pmos::sys {

inline int sys_openat(int dir, const char* path, int flags, unsigned mode = 0) noexcept {
    return static_cast<int>(raw(SYS_openat, dir, path, flags, mode));
}
inline int sys_openat2(int dir, const char* path, std::uint64_t flags, std::uint64_t mode,
                       std::uint64_t resolve) noexcept {
    open_how how{};
    how.flags = flags;
    how.mode = mode;
    how.resolve = resolve;
    return static_cast<int>(raw(SYS_openat2, dir, path, &how, sizeof how));
}
inline int sys_close(int fd) noexcept { return static_cast<int>(raw(SYS_close, fd)); }
inline int sys_close_range(unsigned first, unsigned last, unsigned flags) noexcept {
    return static_cast<int>(raw(SYS_close_range, first, last, flags));
}
inline int sys_dup3(int from, int to, int flags) noexcept {
    return static_cast<int>(raw(SYS_dup3, from, to, flags));
}
inline int sys_fcntl(int fd, int command, long argument) noexcept {
    return static_cast<int>(raw(SYS_fcntl, fd, command, argument));
}
inline int sys_ioctl(int fd, unsigned long request, const void* argument) noexcept {
    return static_cast<int>(raw(SYS_ioctl, fd, request, argument));
}
inline long sys_read(int fd, void* data, std::size_t size) noexcept {
    return raw(SYS_read, fd, data, size);
}
inline long sys_write(int fd, const void* data, std::size_t size) noexcept {
    return raw(SYS_write, fd, data, size);
}
inline long sys_sendfile(int out, int in, std::size_t count) noexcept {
    return raw(SYS_sendfile, out, in, nullptr, count);
}
// glibc's struct stat and struct statfs are the kernel's on 64-bit machines.
inline int sys_fstatat(int dir, const char* path, struct stat* out, int flags) noexcept {
    return static_cast<int>(raw(SYS_newfstatat, dir, path, out, flags));
}
inline int sys_fstat(int fd, struct stat* out) noexcept {
    return sys_fstatat(fd, "", out, AT_EMPTY_PATH);
}
inline int sys_fstatfs(int fd, struct statfs* out) noexcept {
    return static_cast<int>(raw(SYS_fstatfs, fd, out));
}
inline int sys_mkdirat(int dir, const char* path, unsigned mode) noexcept {
    return static_cast<int>(raw(SYS_mkdirat, dir, path, mode));
}
inline int sys_mknodat(int dir, const char* path, unsigned mode, std::uint64_t device) noexcept {
    return static_cast<int>(raw(SYS_mknodat, dir, path, mode, device));
}
inline int sys_symlinkat(const char* target, int dir, const char* path) noexcept {
    return static_cast<int>(raw(SYS_symlinkat, target, dir, path));
}
inline long sys_readlinkat(int dir, const char* path, char* target, std::size_t size) noexcept {
    return raw(SYS_readlinkat, dir, path, target, size);
}
// struct linux_dirent64 after struct linux_dirent64, in bytes; 0: there are no more.
inline long sys_getdents64(int dir, void* entries, std::size_t size) noexcept {
    return raw(SYS_getdents64, dir, entries, size);
}
inline int sys_unlinkat(int dir, const char* path, int flags) noexcept {
    return static_cast<int>(raw(SYS_unlinkat, dir, path, flags));
}
inline int sys_fchownat(int dir, const char* path, unsigned uid, unsigned gid, int flags) noexcept {
    return static_cast<int>(raw(SYS_fchownat, dir, path, uid, gid, flags));
}
inline int sys_fchmod(int fd, unsigned mode) noexcept {
    return static_cast<int>(raw(SYS_fchmod, fd, mode));
}
inline int sys_chdir(const char* path) noexcept { return static_cast<int>(raw(SYS_chdir, path)); }
inline int sys_fchdir(int fd) noexcept { return static_cast<int>(raw(SYS_fchdir, fd)); }
// The length with its NUL, or -errno; an unreachable directory reads "(unreachable)/...".
inline int sys_getcwd(char* buffer, std::size_t size) noexcept {
    return static_cast<int>(raw(SYS_getcwd, buffer, size));
}
inline unsigned sys_umask(unsigned mask) noexcept {
    return static_cast<unsigned>(raw(SYS_umask, mask));
}
inline int sys_memfd_create(const char* name, unsigned flags) noexcept {
    return static_cast<int>(raw(SYS_memfd_create, name, flags));
}

}  // namespace pmos::sys
