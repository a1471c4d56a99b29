// launch child: what a container has and a mode has not: its hooks, the wait for `start`,
// descriptors that come along. Runs after clone3: no heap, no locks.
#include <errno.h>
#include <linux/magic.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstring>

#include "runtime/launch/child/child.h"
#include "runtime/launch/tree.h"
#include "runtime/sys/file.h"
#include "runtime/sys/mount.h"
#include "runtime/sys/number.h"
#include "runtime/sys/process.h"
#include "runtime/sys/socket.h"

namespace pmos::launch {
namespace {

constexpr std::int64_t kForever = INT64_MAX / 2;
constexpr unsigned kFirstOfProgram = 3;

int write_sysctl(const char* path, image::Text value, const PlanView& plan) noexcept {
    sys::TextBuffer<kMaxPath> name;
    name.add("sys/");
    name.add(path);
    if (name.full()) return -ENAMETOOLONG;
    const int fd = sys::sys_openat2(kProcFd, name.text(), O_WRONLY | O_CLOEXEC, 0,
                                    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    if (fd < 0) return fd;
    const long written = sys::sys_write(fd, plan.text(value), value.size);
    sys::sys_close(fd);
    return written < 0 ? static_cast<int>(written) : 0;
}

// The state on its standard input, nothing of ours besides.
[[noreturn]] void become_hook(const Child& child, const image::ContainerHook& hook,
                              int state) noexcept {
    const char* argv[kMaxStrings + 2]{};
    const char* envp[kMaxStrings + 1]{};
    const PlanView plan = child.plan();
    const char* path = plan.text(hook.path);
    std::size_t n = 0;
    for (const image::Text& t : plan.table(hook.args)) argv[n++] = plan.text(t);
    if (n == 0) argv[0] = path;
    n = 0;
    for (const image::Text& t : plan.table(hook.env)) envp[n++] = plan.text(t);
    if (hook.at_start == 0) sys::sys_umask(child.launch.container->umask);
    (void)sys::raw(SYS_lseek, state, 0, SEEK_SET);
    if (sys::sys_dup3(state, 0, 0) >= 0) (void)sys::sys_execve(path, argv, envp);
    sys::sys_exit(127);
}

int await_hook(int pidfd, std::uint32_t timeout_ms) noexcept {
    const std::int64_t deadline =
        timeout_ms == 0 ? kForever : sys::sys_monotonic_ms() + std::int64_t{timeout_ms};
    for (;;) {
        int status = 0;
        const int reaped = sys::sys_reap(pidfd, &status);
        if (reaped == 0) return status == 0 ? 0 : -ECANCELED;
        if (reaped != -EAGAIN) return reaped;
        const std::int64_t left = deadline - sys::sys_monotonic_ms();
        if (left <= 0) {
            sys::sys_pidfd_send_signal(pidfd, SIGKILL);
            return -ETIMEDOUT;
        }
        pollfd fd{pidfd, POLLIN, 0};
        (void)sys::sys_poll(&fd, 1, left);
    }
}

int run_hook(const Child& child, const image::ContainerHook& hook, int state) noexcept {
    int pidfd = -1;
    // Not clone3: engines' filters say that there is none.
    const long pid = sys::raw(SYS_clone, CLONE_PIDFD | SIGCHLD, nullptr, &pidfd);
    if (pid == 0) become_hook(child, hook, state);
    if (pid < 0) return static_cast<int>(pid);
    const int err = await_hook(pidfd, hook.timeout_ms);
    sys::sys_close(pidfd);
    return err;
}

int run_hooks(Child& child, bool at_start) noexcept {
    const int state = at_start ? child.state_at_start : child.launch.container->state;
    for (const image::ContainerHook& hook : child.plan().table(child.header().hooks)) {
        ++child.op;
        if ((hook.at_start != 0) != at_start) continue;
        if (const int err = run_hook(child, hook, state); err < 0) return err;
    }
    return 0;
}

// Out of the way of the numbers that the program is to find its own at.
int lift(int& fd, unsigned above) noexcept {
    if (fd < 0) return 0;
    const int high = sys::sys_fcntl(fd, F_DUPFD_CLOEXEC, static_cast<long>(above));
    if (high < 0) return high;
    fd = high;
    return 0;
}

// So that it can open /dev/stdout anew; what is nobody's to give stays.
void give_to_user(int fd, std::uint32_t uid) noexcept {
    struct stat file {};
    if (sys::sys_fstat(fd, &file) < 0 || S_ISCHR(file.st_mode) || file.st_uid == uid) return;
    (void)sys::sys_fchownat(fd, "", uid, ~0U, AT_EMPTY_PATH);
}

}  // namespace

int write_sysctls(Child& child) noexcept {
    const PlanView plan = child.plan();
    for (const image::Option& o : plan.table(child.header().sysctl)) {
        ++child.op;
        if (const int err = write_sysctl(plan.text(o.key), o.value, plan); err < 0) return err;
    }
    return 0;
}

int pause_for_runtime(Child& child) noexcept {
    const Launch& launch = child.launch;
    if (!launch.container->pauses) return 0;
    const int err = tell_launcher(launch.child_report, {Step::child_pause, 0, -1}, -1);
    return err < 0 ? err : await_launcher(child);
}

int run_create_hooks(Child& child) noexcept { return run_hooks(child, false); }
int run_start_hooks(Child& child) noexcept { return run_hooks(child, true); }

int set_personality(Child& child) noexcept {
    const std::int64_t wanted = child.header().personality;
    if (wanted < 0) return 0;
    const long before = sys::raw(SYS_personality, wanted);
    return before < 0 ? static_cast<int>(before) : 0;
}

// 0, 1, 2 and what came along stay for the program; of what lies above, it gets nothing.
int close_container_descriptors(Child& child) noexcept {
    if (const int err = open_stdio(child); err < 0) return err;
    ContainerParts& parts = *child.launch.container;
    const unsigned kept = kFirstOfProgram + parts.preserved_count;
    int* const ours[] = {&child.launch.child_report, &parts.start_fifo,
                         &parts.result_fifo,         &child.label,
                         &child.state_at_start,      &child.ruleset};
    constexpr unsigned kOurs = sizeof ours / sizeof *ours;
    const unsigned above = kept + kOurs + kFirstRequestFd;
    for (int* fd : ours)
        if (const int err = lift(*fd, above); err < 0) return err;
    // Those that came along lie higher than where they go.
    for (int i = 0; i < 3; ++i) {
        const int err = child.stdio[i] == i ? sys::sys_fcntl(i, F_SETFD, 0)
                                            : sys::sys_dup3(child.stdio[i], i, 0);
        if (err < 0) return err;
        give_to_user(i, child.header().uid);
    }
    for (unsigned i = 0; i < parts.preserved_count; ++i) {
        const int err = sys::sys_dup3(parts.preserved[i], static_cast<int>(kFirstOfProgram + i), 0);
        if (err < 0) return err;
    }
    unsigned next = kept;
    for (int* fd : ours) {
        if (*fd < 0) continue;
        if (const int err = sys::sys_dup3(*fd, static_cast<int>(next), O_CLOEXEC); err < 0)
            return err;
        *fd = static_cast<int>(next++);
    }
    return sys::sys_close_range(next, ~0U, 0);
}

// As the user where only that one may, as root where only root may.
int take_container_identity(Child& child) noexcept {
    const image::Header& h = child.header();
    const char* cwd = child.plan().text(h.cwd);
    sys::sys_umask(h.umask);
    const int entered = sys::sys_chdir(cwd);
    const auto gids = child.plan().table(h.additional_gids);
    if (!child.launch.container->denies_groups)
        if (const int err = sys::sys_setgroups(gids.size(), gids.data()); err < 0) return err;
    if (const int err = sys::sys_prctl(PR_SET_KEEPCAPS, 1); err < 0) return err;
    if (const int err = sys::sys_setresgid(h.gid); err < 0) return err;
    if (const int err = sys::sys_setresuid(h.uid); err < 0) return err;
    if (const int err = sys::sys_prctl(PR_SET_DUMPABLE, 0); err < 0) return err;
    if (entered < 0)
        if (const int err = sys::sys_chdir(cwd); err < 0) return err;
    return check_cwd();
}

int limit_privileges(Child& child) noexcept {
    return (child.header().container & image::container_gains) != 0 ? 0 : set_no_new_privs(child);
}

// Where the program may gain privileges, a filter is root's to set.
int install_seccomp_early(Child& child) noexcept {
    const bool gains = (child.header().container & image::container_gains) != 0;
    return gains && child.header().seccomp.count != 0 ? install_seccomp(child) : 0;
}
int install_seccomp_late(Child& child) noexcept {
    const bool gains = (child.header().container & image::container_gains) != 0;
    return !gains && child.header().seccomp.count != 0 ? install_seccomp(child) : 0;
}

int wait_for_start(Child& child) noexcept {
    Launch& launch = child.launch;
    ContainerParts& parts = *launch.container;
    if (parts.start_fifo < 0) return 0;
    const int err = tell_launcher(launch.child_report, {Step::child_wait, 0, -1}, -1);
    if (err < 0) return err;
    sys::sys_close(launch.child_report);
    launch.child_report = parts.result_fifo;
    char go = 0;
    long size = 0;
    do {
        size = sys::sys_read(parts.start_fifo, &go, 1);
    } while (size == -EINTR);
    return size < 0 ? static_cast<int>(size) : 0;
}

int execute_container(Child& child) noexcept {
    sys::sys_close(child.launch.container->start_fifo);
    return execute_program(child);
}

}  // namespace pmos::launch
