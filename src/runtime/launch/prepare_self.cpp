// launch: the launcher's own start: descriptors in their places, default signals, a private
// procfs, pmos-init copied out of reach of whoever may write its file. Runs once; no heap.
#include <errno.h>
#include <linux/magic.h>
#include <linux/securebits.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "runtime/launch/container.h"
#include "runtime/launch/launcher.h"
#include "runtime/launch/serve.h"
#include "runtime/launch/tree.h"
#include "runtime/sys/file.h"
#include "runtime/sys/mount.h"
#include "runtime/sys/process.h"

namespace pmos::launch {
namespace {

constexpr unsigned kMfdExec = 0x10;  // MFD_EXEC, Linux 6.3
constexpr int kProcRootInode = 1;
// Execute only: the kernel then runs pmos-init undumpable, so that a mode's root can neither
// trace it nor open its binary (CVE-2019-5736, CVE-2016-9962).
constexpr unsigned kInitMode = 0111;

int place(int fd, int at) noexcept {
    if (fd < 0) return fd;
    const int err = sys::sys_dup3(fd, at, O_CLOEXEC);
    if (err < 0) return err;
    if (fd != at) sys::sys_close(fd);
    return 0;
}

int seal_init() noexcept {
    int copy = sys::sys_memfd_create("pmos-init", MFD_CLOEXEC | MFD_ALLOW_SEALING | kMfdExec);
    if (copy == -EINVAL) copy = sys::sys_memfd_create("pmos-init", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (copy < 0) return copy;
    struct stat file {};
    if (const int err = sys::sys_fstat(kInitFd, &file); err < 0) return err;
    if (!S_ISREG(file.st_mode)) return -ENOEXEC;
    for (long left = file.st_size; left > 0;) {
        const long sent = sys::sys_sendfile(copy, kInitFd, static_cast<std::size_t>(left));
        if (sent <= 0) return sent < 0 ? static_cast<int>(sent) : -EIO;
        left -= sent;
    }
    if (const int err = sys::sys_fchmod(copy, kInitMode); err < 0) return err;
    const long seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
    if (const int err = sys::sys_fcntl(copy, F_ADD_SEALS, seals); err < 0) return err;
    return place(copy, kInitImageFd);
}

// Writes to /proc go through this one: whatever is mounted over the host's /proc does not matter.
int open_private_proc() noexcept {
    const int context = sys::sys_fsopen("proc", FSOPEN_CLOEXEC);
    if (context < 0) return context;
    int err = sys::sys_fsconfig(context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0);
    if (err == 0)
        err = sys::sys_fsmount(context, FSMOUNT_CLOEXEC,
                               MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    sys::sys_close(context);
    if (err < 0) return err;
    const int proc = err;
    struct stat root {};
    if (err = expect_filesystem(proc, PROC_SUPER_MAGIC); err < 0) return err;
    if (err = sys::sys_fstat(proc, &root); err < 0) return err;
    if (root.st_ino != kProcRootInode) return -ESTALE;
    return place(proc, kProcFd);
}

int open_visible_proc() noexcept {
    const int proc = sys::sys_openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (proc < 0) return proc;
    struct stat root {};
    if (const int err = expect_filesystem(proc, PROC_SUPER_MAGIC); err < 0) return err;
    if (const int err = sys::sys_fstat(proc, &root); err < 0) return err;
    return root.st_ino == kProcRootInode ? place(proc, kProcFd) : -ESTALE;
}

int open_own_namespaces() noexcept {
    constexpr struct {
        const char* path;
        int at;
    } kOwn[] = {{"self/ns/net", kOwnNetNsFd},
                {"self/ns/time", kOwnTimeNsFd},
                {"self/ns/pid", kOwnPidNsFd},
                {"self/ns/mnt", kOwnMountNsFd}};
    for (const auto& own : kOwn) {
        const int err = place(sys::sys_openat(kProcFd, own.path, O_RDONLY | O_CLOEXEC), own.at);
        // A kernel without time namespaces refuses the plan that wants one, not the launcher.
        if (err < 0 && !(err == -ENOENT && own.at == kOwnTimeNsFd)) return err;
    }
    return 0;
}

// Every number below kFirstRequestFd is taken from here on.
int fill_low_descriptors(int first) noexcept {
    const int null = sys::sys_openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return null;
    for (int fd = 0; fd < kFirstRequestFd; ++fd) {
        const bool keep = (fd > 2 && fd < first) || fd == null;
        if (keep || (fd <= 2 && sys::sys_fcntl(fd, F_GETFD, 0) >= 0)) continue;
        const int err = sys::sys_dup3(null, fd, O_CLOEXEC);
        if (err < 0) return err;
    }
    return 0;
}

// The child inherits dispositions and mask, so they are put right once, here.
int reset_signals() noexcept {
    struct {
        void (*handler)(int) = nullptr;  // SIG_DFL
        unsigned long flags = 0;
        void (*restorer)() = nullptr;
        std::uint64_t mask = 0;
    } const action;
    for (int signal = 1; signal <= 64; ++signal) {
        if (signal == SIGKILL || signal == SIGSTOP) continue;
        const long err = sys::raw(SYS_rt_sigaction, signal, &action, nullptr, sizeof action.mask);
        if (err < 0) return static_cast<int>(err);
    }
    const std::uint64_t none = 0;
    return sys::sys_sigprocmask(SIG_SETMASK, &none, nullptr);
}

int read_own_limits(Self& self) noexcept {
    for (unsigned resource = 0; resource < kMaxRlimits; ++resource) {
        const int err = sys::sys_prlimit(0, resource, nullptr, &self.limits[resource]);
        if (err < 0) return err;
    }
    const int fd = sys::sys_openat(kProcFd, "self/oom_score_adj", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fd;
    char text[16]{};
    const long size = sys::sys_read(fd, text, sizeof text - 1);
    sys::sys_close(fd);
    if (size < 0) return static_cast<int>(size);
    const char* digit = text;
    const bool negative = *digit == '-';
    if (negative) ++digit;
    std::int32_t score = 0;
    while (*digit >= '0' && *digit <= '9') score = score * 10 + (*digit++ - '0');
    self.oom_score_adj = negative ? -score : score;
    return 0;
}

}  // namespace

int prepare_own_launch(Self& self) noexcept {
    // What is inside a container for a moment is nobody's to look into. An ordinary user's must
    // stay so for its id maps to be written.
    if (sys::raw(SYS_geteuid) == 0)
        if (const int err = sys::sys_prctl(PR_SET_DUMPABLE, 0); err < 0) return err;
    if (const int err = reset_signals(); err < 0) return err;
    if (const int err = fill_low_descriptors(3); err < 0) return err;
    int err = open_private_proc();
    // An ordinary user mounts none; what is at /proc is then looked at the more closely.
    if (err == -EPERM) err = open_visible_proc();
    return err < 0 ? err : read_own_limits(self);
}

int prepare_self(Self& self) noexcept {
    sys::sys_umask(0);
    if (const int err = sys::sys_prctl(PR_SET_DUMPABLE, 0); err < 0) return err;
    // A change of user leaves capabilities alone; a child's new user namespace forgets this again.
    if (const int err = sys::sys_prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP); err < 0)
        return err;
    if (const int err = reset_signals(); err < 0) return err;
    sys::sys_close_range(kInitFd + 1, ~0U, 0);
    if (const int err = fill_low_descriptors(kInitFd + 1); err < 0) return err;
    if (const int err = sys::sys_fcntl(kSocketFd, F_SETFD, FD_CLOEXEC); err < 0) return err;
    if (const int err = seal_init(); err < 0) return err;
    if (const int err = open_private_proc(); err < 0) return err;
    if (const int err = open_own_namespaces(); err < 0) return err;
    return read_own_limits(self);
}

}  // namespace pmos::launch
