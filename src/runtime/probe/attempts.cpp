// probe: the attempts, each one or two system calls. Runs inside a mode, under its confinement: no
// C library, no heap; leaves no file behind.
#include "runtime/probe/attempts.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "runtime/launch/protocol.h"
#include "runtime/probe/words.h"
#include "runtime/sys/file.h"
#include "runtime/sys/process.h"
#include "runtime/sys/socket.h"

namespace pmos::probe {
namespace {

constexpr int kOpen = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
constexpr char kMadeName[] = "/.pmos-try";

Outcome done(long value, const char* stage) noexcept { return {value, stage, true}; }

// The numbers of a line, as many as there are.
struct Numbers {
    long at[7]{};
    unsigned count = 0;
    bool good = true;
};
Numbers numbers(char* rest) noexcept {
    Numbers n;
    while (*rest != 0 && n.good) {
        n.good = n.count < 7 && parse_number(take_word(rest), n.at[n.count]);
        ++n.count;
    }
    return n;
}

Outcome judge(char* rest) noexcept {
    const Numbers n = numbers(rest);
    if (!n.good || n.count < 1 || n.count > 6) return {0, "", false};
    const long result = sys::raw6(n.at[0], n.at[1], n.at[2], n.at[3], n.at[4], n.at[5],
                                  static_cast<long>(launch::kJudgeMark));
    if (result == -launch::kAdmitted) return done(0, "");
    // The launcher's filter holds such a call back: it cannot have happened.
    return done(result < 0 ? result : -EIO, "judge");
}

Outcome call(char* rest) noexcept {
    const Numbers n = numbers(rest);
    if (!n.good || n.count < 1) return {0, "", false};
    return done(sys::raw6(n.at[0], n.at[1], n.at[2], n.at[3], n.at[4], n.at[5], n.at[6]), "call");
}

long count_names(int fd) noexcept {
    alignas(8) static char data[4096];
    const long size = sys::raw(SYS_getdents64, fd, data, sizeof data);
    if (size < 0) return size;
    long count = -2;  // "." and ".."
    for (long at = 0; at < size; ++count)
        at += static_cast<unsigned char>(data[at + 16]) | static_cast<unsigned char>(data[at + 17])
                                                              << 8;  // d_reclen
    return count < 0 ? 0 : count;
}

Outcome read_some(const char* path) noexcept {
    const int fd = sys::sys_openat(AT_FDCWD, path, O_RDONLY | kOpen);
    if (fd < 0) return done(fd, "open");
    char data[64];
    long size = sys::sys_read(fd, data, sizeof data);
    if (size == -EISDIR) size = count_names(fd);
    return done(size == -EAGAIN ? 0 : size, "read");
}

// A path of ours below a directory, or "" where it is too long.
const char* made_path(const char* directory) noexcept {
    static char path[4096];
    unsigned at = 0;
    for (; directory[at] != 0; ++at) {
        if (at + sizeof kMadeName >= sizeof path) return "";
        path[at] = directory[at];
    }
    for (unsigned i = 0; i < sizeof kMadeName; ++i) path[at + i] = kMadeName[i];
    return path;
}

// Executed, it is no program to the kernel: ENOEXEC, after everything that could refuse it.
int make(const char* path) noexcept {
    const int fd = sys::sys_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | kOpen, 0700);
    if (fd < 0) return fd;
    const long size = sys::sys_write(fd, "x", 1);
    sys::sys_close(fd);
    return size < 0 ? static_cast<int>(size) : 0;
}

void remove(const char* path) noexcept { sys::raw(SYS_unlinkat, AT_FDCWD, path, 0); }

Outcome write_to(const char* path) noexcept {
    const int fd = sys::sys_openat(AT_FDCWD, path, O_WRONLY | kOpen);
    // A FIFO that nobody reads: it may be written.
    if (fd >= 0 || fd == -ENXIO) return done(0, "");
    if (fd != -EISDIR && fd != -ENOENT) return done(fd, "open");
    const char* made = fd == -EISDIR ? made_path(path) : path;
    const int err = make(made);
    if (err == 0) remove(made);
    return done(err, "create");
}

int load(const char* path) noexcept {
    // With no room for a stack the kernel loads a program and kills it. What cannot be lowered here
    // is low already: pmosd sees to that.
    const rlimit none{0x1000, 0x1000};
    sys::sys_prlimit(0, RLIMIT_AS, &none, nullptr);
    const char* const argv[] = {path, nullptr};
    const char* const envp[] = {nullptr};
    const int err = sys::sys_execve(path, argv, envp);
    return err == -ENOEXEC ? 0 : err;
}

Outcome execute(const char* path) noexcept {
    struct stat file {};
    const int err = sys::sys_fstatat(AT_FDCWD, path, &file, 0);
    if (err == 0 && !S_ISDIR(file.st_mode)) return done(load(path), "execute");
    if (err < 0 && err != -ENOENT) return done(err, "open");
    const char* made = err == 0 ? made_path(path) : path;
    if (const int created = make(made); created < 0) return done(created, "create");
    const int loaded = load(made);
    remove(made);
    return done(loaded, "execute");
}

Outcome lock(const char* path) noexcept {
    const int fd = sys::sys_openat(AT_FDCWD, path, O_RDONLY | kOpen);
    if (fd < 0) return done(fd, "open");
    return done(sys::raw(SYS_flock, fd, LOCK_EX | LOCK_NB), "lock");
}

Outcome open_device(const char* path) noexcept {
    const int fd = sys::sys_openat(AT_FDCWD, path, O_RDWR | kOpen);
    return done(fd < 0 ? fd : 0, "open");
}

Outcome make_socket(char* rest) noexcept {
    const Numbers n = numbers(rest);
    if (!n.good || n.count != 3) return {0, "", false};
    const long fd = sys::raw(SYS_socket, n.at[0], n.at[1] | SOCK_CLOEXEC, n.at[2]);
    return done(fd < 0 ? fd : 0, "socket");
}

Outcome connect(char* rest) noexcept {
    long family = 0, type = 0, protocol = 0;
    unsigned char address[128];
    if (!parse_number(take_word(rest), family) || !parse_number(take_word(rest), type) ||
        !parse_number(take_word(rest), protocol))
        return {0, "", false};
    const long size = parse_bytes(take_word(rest), address, sizeof address);
    if (size < 2) return {0, "", false};
    const long fd = sys::raw(SYS_socket, family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    if (fd < 0) return done(fd, "socket");
    return done(sys::raw(SYS_connect, fd, address, size), "connect");
}

Outcome remount(const char* path) noexcept {
    mount_attr attributes{};
    attributes.attr_clr = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC;
    return done(sys::raw(SYS_mount_setattr, AT_FDCWD, path, 0, &attributes, sizeof attributes),
                "mount_setattr");
}

Outcome add_key(const char* name) noexcept {
    constexpr unsigned kAllForAll = 0x3f3f3f3f;
    const long serial =
        sys::raw(SYS_add_key, "user", name, "pmos-try", 8, KEY_SPEC_SESSION_KEYRING);
    if (serial < 0) return done(serial, "add_key");
    const long err = sys::raw(SYS_keyctl, KEYCTL_SETPERM, serial, kAllForAll);
    return done(err < 0 ? err : serial, "keyctl");
}

Outcome read_key(char* rest) noexcept {
    char data[64];
    const Numbers n = numbers(rest);
    if (!n.good || n.count != 1) return {0, "", false};
    return done(sys::raw(SYS_keyctl, KEYCTL_READ, n.at[0], data, sizeof data), "keyctl");
}

Outcome has_capability(char* rest) noexcept {
    const Numbers n = numbers(rest);
    if (!n.good || n.count != 1) return {0, "", false};
    return done(sys::sys_prctl(PR_CAPBSET_READ, static_cast<unsigned long>(n.at[0])), "prctl");
}

}  // namespace

Outcome attempt(char* line) noexcept {
    char* rest = line;
    const char* word = take_word(rest);
    if (same(word, "judge")) return judge(rest);
    if (same(word, "call")) return call(rest);
    if (same(word, "socket")) return make_socket(rest);
    if (same(word, "connect")) return connect(rest);
    if (same(word, "key-read")) return read_key(rest);
    if (same(word, "capability")) return has_capability(rest);
    if (*rest == 0) return {0, "", false};
    if (same(word, "read")) return read_some(rest);
    if (same(word, "write")) return write_to(rest);
    if (same(word, "execute")) return execute(rest);
    if (same(word, "lock") || same(word, "hold")) return lock(rest);
    if (same(word, "open")) return open_device(rest);
    if (same(word, "remount")) return remount(rest);
    if (same(word, "key-add")) return add_key(rest);
    return {0, "", false};
}

bool is_lasting(const char* line) noexcept {
    return begins(line, "hold ") || begins(line, "key-add ");
}

bool loads_a_program(const char* line) noexcept { return begins(line, "execute "); }

}  // namespace pmos::probe
