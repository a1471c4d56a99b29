// sys: processes, namespaces and identity. Raw system calls, noexcept, value or -errno; no heap.
#pragma once

#include <errno.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cstddef>
#include <cstdint>

#include "runtime/sys/raw.h"

namespace pmos::sys {

// No stack is given: the child goes on as after fork(2), on its own copy.
inline int sys_clone3(const clone_args& args) noexcept {
    return static_cast<int>(raw(SYS_clone3, &args, sizeof args));
}
inline int sys_fork(unsigned long flags) noexcept {
    return static_cast<int>(raw(SYS_clone, flags));
}
inline int sys_setns(int fd, unsigned long types) noexcept {
    return static_cast<int>(raw(SYS_setns, fd, types));
}
inline int sys_unshare(unsigned long flags) noexcept {
    return static_cast<int>(raw(SYS_unshare, flags));
}
inline int sys_pidfd_send_signal(int pidfd, int signal) noexcept {
    return static_cast<int>(raw(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0));
}
inline int sys_pidfd_getfd(int pidfd, int fd) noexcept {
    return static_cast<int>(raw(SYS_pidfd_getfd, pidfd, fd, 0));
}
inline int sys_execve(const char* path, const char* const* argv, const char* const* envp) noexcept {
    return static_cast<int>(raw(SYS_execve, path, argv, envp));
}
inline int sys_execveat(int fd, const char* path, const char* const* argv, const char* const* envp,
                        int flags) noexcept {
    return static_cast<int>(raw(SYS_execveat, fd, path, argv, envp, flags));
}
[[noreturn]] inline void sys_exit(int status) noexcept {
    for (;;) raw(SYS_exit_group, status);
}
inline int sys_wait4(int pid, int* status, int options) noexcept {
    return static_cast<int>(raw(SYS_wait4, pid, status, options, nullptr));
}
// Reaps the child behind a pidfd: 0 and its status as waitpid(2) gives it, -EAGAIN while it lives,
// -ECHILD when it is nobody's to reap here. __WALL: what pmos-launch clones has no exit signal.
inline int sys_reap(int pidfd, int* wait_status) noexcept {
    siginfo_t info{};
    long r = 0;
    do r = raw(SYS_waitid, P_PIDFD, pidfd, &info, WEXITED | WNOHANG | __WALL, nullptr);
    while (r == -EINTR);
    if (r < 0) return static_cast<int>(r);
    if (info.si_pid == 0) return -EAGAIN;
    *wait_status =
        info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8 : info.si_status & 0x7f;
    return 0;
}
inline int sys_kill(int pid, int signal) noexcept {
    return static_cast<int>(raw(SYS_kill, pid, signal));
}
inline int sys_setsid() noexcept { return static_cast<int>(raw(SYS_setsid)); }
inline int sys_setresuid(unsigned uid) noexcept {
    return static_cast<int>(raw(SYS_setresuid, uid, uid, uid));
}
// The real and the saved one stay.
inline int sys_seteuid(unsigned uid) noexcept {
    return static_cast<int>(raw(SYS_setresuid, -1, uid, -1));
}
inline int sys_setresgid(unsigned gid) noexcept {
    return static_cast<int>(raw(SYS_setresgid, gid, gid, gid));
}
inline int sys_setgroups(std::size_t count, const std::uint32_t* gids) noexcept {
    return static_cast<int>(raw(SYS_setgroups, count, gids));
}
inline int sys_sethostname(const char* name, std::size_t size) noexcept {
    return static_cast<int>(raw(SYS_sethostname, name, size));
}
inline int sys_setdomainname(const char* name, std::size_t size) noexcept {
    return static_cast<int>(raw(SYS_setdomainname, name, size));
}
inline int sys_prlimit(int pid, unsigned resource, const rlimit* next, rlimit* old) noexcept {
    return static_cast<int>(raw(SYS_prlimit64, pid, resource, next, old));
}
inline int sys_prctl(int option, unsigned long a = 0, unsigned long b = 0, unsigned long c = 0,
                     unsigned long d = 0) noexcept {
    return static_cast<int>(raw(SYS_prctl, option, a, b, c, d));
}
// For a child that only waits to be killed: it goes with its parent, however that ends.
inline void sys_end_with(int parent) noexcept {
    sys_prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (raw(SYS_getppid) != parent) sys_exit(1);
}
inline int sys_capset(__user_cap_header_struct* header,
                      const __user_cap_data_struct* data) noexcept {
    return static_cast<int>(raw(SYS_capset, header, data));
}
inline int sys_capget(__user_cap_header_struct* header, __user_cap_data_struct* data) noexcept {
    return static_cast<int>(raw(SYS_capget, header, data));
}
inline int sys_keyctl(int operation, const void* argument) noexcept {
    return static_cast<int>(raw(SYS_keyctl, operation, argument, 0, 0, 0));
}
inline int sys_seccomp(unsigned operation, unsigned flags, const void* argument) noexcept {
    return static_cast<int>(raw(SYS_seccomp, operation, flags, argument));
}
inline int sys_landlock_create_ruleset(const landlock_ruleset_attr* attributes, std::size_t size,
                                       unsigned flags) noexcept {
    return static_cast<int>(raw(SYS_landlock_create_ruleset, attributes, size, flags));
}
inline int sys_landlock_add_rule(int ruleset, unsigned type, const void* rule) noexcept {
    return static_cast<int>(raw(SYS_landlock_add_rule, ruleset, type, rule, 0));
}
inline int sys_landlock_restrict_self(int ruleset) noexcept {
    return static_cast<int>(raw(SYS_landlock_restrict_self, ruleset, 0));
}
// The kernel's sigset_t is 64 bits wide.
inline int sys_sigprocmask(int how, const std::uint64_t* set, std::uint64_t* old) noexcept {
    return static_cast<int>(raw(SYS_rt_sigprocmask, how, set, old, sizeof *set));
}
inline int sys_sigwait(const std::uint64_t* set) noexcept {
    return static_cast<int>(raw(SYS_rt_sigtimedwait, set, nullptr, nullptr, sizeof *set));
}

}  // namespace pmos::sys
