// cli: the user's terminal: its size, and changes to it that are undone on every way out.
#include "cli/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

namespace pmos::cli {
namespace {

constexpr std::array kFatal{SIGINT,  SIGTERM, SIGHUP, SIGQUIT, SIGSEGV,
                            SIGABRT, SIGBUS,  SIGILL, SIGFPE};

// What a signal handler may look at: written before the handlers are set.
termios saved_settings;
int saved_fd = -1;
std::array<struct sigaction, kFatal.size()> saved_actions;

extern "C" void restore_and_die(int signal) {
    // SA_RESETHAND: the second time it is the default action, which ends the process.
    ::tcsetattr(saved_fd, TCSANOW, &saved_settings);
    ::raise(signal);
}

}  // namespace

WindowSize window_size(BorrowedFd fd) {
    winsize size{};
    if (::ioctl(fd.get(), TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0)
        return {};
    return {size.ws_row, size.ws_col};
}

Result<UniqueFd> open_terminal() {
    UniqueFd tty(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
    const int err = errno;
    // A serial console need not be anyone's controlling terminal.
    if (!tty && ::isatty(STDIN_FILENO) != 0)
        tty.reset(::open("/proc/self/fd/0", O_RDWR | O_CLOEXEC | O_NOCTTY));
    if (!tty) return fail(errno_error(err, "cannot open the terminal"));
    return tty;
}

Result<TerminalGuard> TerminalGuard::change(BorrowedFd fd, int when, void (*edit)(termios&)) {
    if (::tcgetattr(fd.get(), &saved_settings) != 0)
        return fail(errno_error(errno, "cannot read the terminal's settings"));
    saved_fd = fd.get();
    struct sigaction action {};
    action.sa_handler = restore_and_die;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigemptyset(&action.sa_mask);
    for (std::size_t i = 0; i < kFatal.size(); ++i) {
        ::sigaction(kFatal[i], nullptr, &saved_actions[i]);
        // Who started us may have chosen to ignore it (nohup).
        if (saved_actions[i].sa_handler != SIG_IGN) ::sigaction(kFatal[i], &action, nullptr);
    }
    TerminalGuard guard;
    termios settings = saved_settings;
    edit(settings);
    if (::tcsetattr(fd.get(), when, &settings) != 0)
        return fail(errno_error(errno, "cannot change the terminal's settings"));
    return guard;
}

Result<TerminalGuard> TerminalGuard::raw(BorrowedFd fd) {
    return change(fd, TCSADRAIN, [](termios& settings) { ::cfmakeraw(&settings); });
}

Result<TerminalGuard> TerminalGuard::no_echo(BorrowedFd fd) {
    // What was typed before the question is not its answer.
    return change(fd, TCSAFLUSH, [](termios& settings) {
        settings.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL);
        settings.c_lflag |= ICANON | ISIG;
        settings.c_cc[VSUSP] = _POSIX_VDISABLE;
    });
}

TerminalGuard::~TerminalGuard() {
    if (!active_) return;
    ::tcsetattr(saved_fd, TCSADRAIN, &saved_settings);
    for (std::size_t i = 0; i < kFatal.size(); ++i)
        ::sigaction(kFatal[i], &saved_actions[i], nullptr);
    saved_fd = -1;
}

}  // namespace pmos::cli
