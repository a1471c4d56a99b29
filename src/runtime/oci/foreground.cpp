// oci: staying with a container, or with a program in one, until it ends. Changes nothing of it.
#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "runtime/oci/console.h"
#include "runtime/oci/container.h"
#include "runtime/sys/process.h"

namespace pmos::oci {
namespace {

// What a terminal or a supervisor sends us is meant for it.
sigset_t held_signals() {
    sigset_t all;
    ::sigfillset(&all);
    for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTTOU, SIGTTIN})
        ::sigdelset(&all, own);
    return all;
}

Result<UniqueFd> take_signals() {
    const sigset_t all = held_signals();
    UniqueFd fd(::signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd) return fail(errno_error(errno, "cannot take signals"));
    return fd;
}

void pass_on(const UniqueFd& signals, const Launched& launched, const Relay* relay) {
    signalfd_siginfo info{};
    while (::read(signals.get(), &info, sizeof info) == sizeof info) {
        const int signal = static_cast<int>(info.ssi_signo);
        if (signal == SIGWINCH && relay != nullptr) relay->take_size();
        if (signal == SIGCHLD || signal == SIGPIPE || signal == SIGURG || signal == SIGWINCH)
            continue;
        sys::sys_pidfd_send_signal(launched.pidfd.get(), signal);
    }
}

int exit_status(int wait_status) {
    return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

}  // namespace

void hold_signals() {
    const sigset_t all = held_signals();
    ::sigprocmask(SIG_BLOCK, &all, nullptr);
}

Result<int> stay_with(Launched launched) {
    PMOS_ASSIGN(const auto signals, take_signals());
    std::optional<Relay> relay;
    if (launched.tty) {
        PMOS_ASSIGN(auto begun, Relay::begin(std::move(launched.tty)));
        relay.emplace(std::move(begun));
    }
    bool listens = relay.has_value(), reads = listens;
    for (;;) {
        pollfd fds[] = {{launched.pidfd.get(), POLLIN, 0},
                        {signals.get(), POLLIN, 0},
                        {listens ? relay->master().get() : -1, POLLIN, 0},
                        {reads ? 0 : -1, POLLIN, 0}};
        if (::poll(fds, 4, -1) < 0 && errno != EINTR)
            return fail(errno_error(errno, "cannot wait for the container"));
        if (fds[1].revents != 0) pass_on(signals, launched, relay ? &*relay : nullptr);
        if (fds[2].revents != 0) listens = relay->from_master();
        if (fds[3].revents != 0) reads = relay->from_us();
        if (fds[0].revents == 0 || (listens && (fds[2].revents & POLLIN) != 0)) continue;
        int status = 0;
        if (const int err = sys::sys_reap(launched.pidfd.get(), &status); err < 0)
            return fail(errno_error(-err, "cannot tell how the container ended"));
        return exit_status(status);
    }
}

}  // namespace pmos::oci
