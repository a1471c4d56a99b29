// init: PID 1 of a mode. Starts the plan's program, forwards signals, reaps, records how the
// program ended; nothing else. No C library, no heap: a few pages are all that a mode pays for it.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cstdint>

#include "base/fault_points.h"
#include "runtime/launch/protocol.h"
#include "runtime/sys/entry.h"
#include "runtime/sys/file.h"
#include "runtime/sys/process.h"
#include "runtime/sys/search_path.h"

namespace pmos {
namespace {

using launch::ChildFailure;
using launch::ExitRecord;
using launch::Step;

constexpr std::uint64_t bit(int signal) { return 1ULL << (signal - 1); }
constexpr std::uint64_t kForwarded = bit(SIGTERM) | bit(SIGINT) | bit(SIGHUP) | bit(SIGQUIT) |
                                     bit(SIGUSR1) | bit(SIGUSR2) | bit(SIGWINCH) | bit(SIGCONT) |
                                     bit(SIGTSTP) | bit(SIGPWR);
constexpr std::uint64_t kHandled = kForwarded | bit(SIGCHLD);

void report(Step step, int error) noexcept {
    const ChildFailure message{step, error, -1};
    (void)sys::sys_write(launch::kInitReportFd, &message, sizeof message);
}

// Only pmos-launch with faults ever starts us under such a name.
bool fails_here(const char* name, const char* step) noexcept {
    if constexpr (!kFaultPoints) return false;
    constexpr char kPrefix[] = "fail ";
    for (const char* p = kPrefix; *p != 0; ++p, ++name)
        if (*name != *p) return false;
    while (*name != 0 && *name == *step) {
        ++name;
        ++step;
    }
    return *name == 0 && *step == 0;
}

[[noreturn]] void run_program(char** argv, char** envp) noexcept {
    sys::sys_close(launch::kInitStatusFd);
    sys::sys_fcntl(launch::kInitReportFd, F_SETFD, FD_CLOEXEC);
    sys::sys_setsid();
    const std::uint64_t none = 0;
    sys::sys_sigprocmask(SIG_SETMASK, &none, nullptr);
    const int err =
        fails_here(argv[0], "init-exec") ? -EIO : sys::execute_by_search(argv + 1, envp);
    report(Step::init_exec, -err);
    sys::sys_exit(127);
}

// True once the program itself has ended.
bool reap(int program, int& status) noexcept {
    bool ended = false;
    for (;;) {
        int one = 0;
        const int pid = sys::sys_wait4(-1, &one, WNOHANG);
        if (pid <= 0) return ended;
        if (pid != program) continue;
        status = one;
        ended = true;
    }
}

int supervise(int program) noexcept {
    for (;;) {
        const int signal = sys::sys_sigwait(&kHandled);
        if (signal < 0) continue;  // EINTR: stopped and continued
        if (signal != SIGCHLD) {
            // The program leads a process group of its own, and may not have set it up yet.
            if (sys::sys_kill(-program, signal) < 0) sys::sys_kill(program, signal);
            continue;
        }
        int status = 0;
        if (reap(program, status)) return status;
    }
}

[[noreturn]] void run(char** argv, char** envp) noexcept {
    sys::sys_sigprocmask(SIG_SETMASK, &kHandled, nullptr);
    // A memfd's process is named after its descriptor; cosmetic, so a filter may refuse it.
    (void)sys::sys_prctl(PR_SET_NAME, reinterpret_cast<unsigned long>("pmos-init"));
    // CLONE_VFORK: we go on when the program has been executed or is dead, so that the first
    // message the launcher reads is the truth.
    const int program = fails_here(argv[0], "init-fork")
                            ? -EIO
                            : sys::sys_fork(CLONE_VFORK | static_cast<unsigned>(SIGCHLD));
    if (program == 0) run_program(argv, envp);
    if (program < 0) {
        report(Step::init_fork, -program);
        sys::sys_exit(127);
    }
    report(Step::none, 0);
    sys::sys_close(launch::kInitReportFd);
    for (int fd = 0; fd <= 2; ++fd) sys::sys_close(fd);

    const int status = supervise(program);
    ExitRecord record;
    record.wait_status = status;
    (void)sys::sys_write(launch::kInitStatusFd, &record, sizeof record);
    sys::sys_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

}  // namespace
}  // namespace pmos

void pmos_entry(long* stack) {
    const long argc = stack[0];
    auto** argv = reinterpret_cast<char**>(stack + 1);
    if (argc < 2) pmos::sys::sys_exit(64);
    pmos::run(argv, argv + argc + 1);
}
