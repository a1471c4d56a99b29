// launch child: a tmpfs that begins with what its target has (tmpcopyup). Runs after clone3: no
// heap, no locks. What it copies is the image's: no link of it is followed.
#include "runtime/launch/child/copy_up.h"

#include <dirent.h>
#include <errno.h>

#include <cstring>

#include "runtime/sys/file.h"

namespace pmos::launch {
namespace {

constexpr unsigned kDeepest = 64;  // directories below each other, with two descriptors open each

int copy_directory(int from, int to, unsigned depth) noexcept;

// Whoever cannot be given it (an id that the container has not) leaves it to the container's root.
bool give_to(const struct stat& file, int at, const char* name) noexcept {
    return sys::sys_fchownat(at, name, file.st_uid, file.st_gid,
                             AT_SYMLINK_NOFOLLOW | (*name == 0 ? AT_EMPTY_PATH : 0)) == 0;
}

// What runs as its owner does not run as root instead.
int set_rights(const struct stat& file, int fd, bool given) noexcept {
    return sys::sys_fchmod(fd, file.st_mode & (given ? 07777U : 0777U));
}

int copy_file(int from, int to, const char* name, const struct stat& file) noexcept {
    const int in = sys::sys_openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (in < 0) return in;
    const int out =
        sys::sys_openat(to, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
    long sent = out;
    while (sent >= 0 && (sent = sys::sys_sendfile(out, in, 1U << 20)) > 0) {
    }
    if (sent == 0) sent = set_rights(file, out, give_to(file, out, ""));
    if (out >= 0) sys::sys_close(out);
    sys::sys_close(in);
    return static_cast<int>(sent);
}

int copy_link(int from, int to, const char* name, const struct stat& file) noexcept {
    char target[4096];
    const long size = sys::sys_readlinkat(from, name, target, sizeof target - 1);
    if (size < 0) return static_cast<int>(size);
    target[size] = 0;
    const int err = sys::sys_symlinkat(target, to, name);
    if (err == 0) (void)give_to(file, to, name);
    return err;
}

int copy_below(int from, int to, const char* name, const struct stat& file,
               unsigned depth) noexcept {
    if (depth == kDeepest) return -ELOOP;
    int err = sys::sys_mkdirat(to, name, 0700);
    if (err < 0) return err;
    constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    const int in = sys::sys_openat(from, name, kFlags);
    if (in < 0) return in;
    const int out = sys::sys_openat(to, name, kFlags);
    err = out < 0 ? out : copy_directory(in, out, depth + 1);
    if (err == 0) err = set_rights(file, out, give_to(file, out, ""));
    if (out >= 0) sys::sys_close(out);
    sys::sys_close(in);
    return err;
}

int copy_entry(int from, int to, const char* name, unsigned depth) noexcept {
    struct stat file {};
    if (const int err = sys::sys_fstatat(from, name, &file, AT_SYMLINK_NOFOLLOW); err < 0)
        return err;
    if (S_ISDIR(file.st_mode)) return copy_below(from, to, name, file, depth);
    if (S_ISREG(file.st_mode)) return copy_file(from, to, name, file);
    if (S_ISLNK(file.st_mode)) return copy_link(from, to, name, file);
    // A device in an image is nothing that a copy gives away.
    if (!S_ISFIFO(file.st_mode) && !S_ISSOCK(file.st_mode)) return 0;
    const int err = sys::sys_mknodat(to, name, file.st_mode, 0);
    if (err == 0) (void)give_to(file, to, name);
    return err;
}

int copy_directory(int from, int to, unsigned depth) noexcept {
    alignas(dirent64) char buffer[4096];
    for (;;) {
        const long size = sys::sys_getdents64(from, buffer, sizeof buffer);
        if (size <= 0) return static_cast<int>(size);
        for (long at = 0; at < size;) {
            const auto* const entry = reinterpret_cast<const dirent64*>(buffer + at);
            at += entry->d_reclen;
            const char* const name = entry->d_name;
            if (std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0) continue;
            if (const int err = copy_entry(from, to, name, depth); err < 0) return err;
        }
    }
}

}  // namespace

int copy_up(int target, int tree, CopiedRoot root) noexcept {
    constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    const int from = sys::sys_openat(target, ".", kFlags);
    if (from < 0) return from == -ENOTDIR ? 0 : from;
    const int to = sys::sys_openat(tree, ".", kFlags);
    struct stat own {};
    int err = to < 0 ? to : sys::sys_fstat(from, &own);
    if (err >= 0) err = copy_directory(from, to, 0);
    if (err == 0) {
        const bool given = !root.owner || give_to(own, to, "");
        if (root.mode) err = set_rights(own, to, given);
    }
    if (to >= 0) sys::sys_close(to);
    sys::sys_close(from);
    return err;
}

}  // namespace pmos::launch
