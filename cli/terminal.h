// cli: the user's terminal: its size, and changes to it that are undone on every way out.
#pragma once

#include <termios.h>

#include <cstdint>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::cli {

struct WindowSize {
    std::uint16_t rows = 24, columns = 80;
};
// 24 by 80 where fd is no terminal or does not know.
WindowSize window_size(BorrowedFd fd);

// The person's, whatever the standard descriptors are; that of descriptor 0 where there is no
// controlling one.
Result<UniqueFd> open_terminal();

// Puts a terminal's settings back when it goes out of scope, and when a signal ends the process:
// until then SIGINT, SIGTERM, SIGHUP, SIGQUIT and the signals of a crash restore it first. One at
// a time; fd must live as long.
class TerminalGuard {
  public:
    static Result<TerminalGuard> raw(BorrowedFd fd);      // every byte to the reader, no echo
    static Result<TerminalGuard> no_echo(BorrowedFd fd);  // line by line, Ctrl-Z does not stop
    TerminalGuard(TerminalGuard&& other) noexcept : active_(other.active_) {
        other.active_ = false;
    }
    TerminalGuard& operator=(TerminalGuard&&) = delete;
    TerminalGuard(const TerminalGuard&) = delete;
    TerminalGuard& operator=(const TerminalGuard&) = delete;
    ~TerminalGuard();

  private:
    TerminalGuard() = default;
    static Result<TerminalGuard> change(BorrowedFd fd, int when, void (*edit)(termios&));
    bool active_ = true;
};

}  // namespace pmos::cli
