// volume: the worker's end of the socket: one request in, events out, and whether to go on.
// Never logs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "runtime/volume/protocol.h"

namespace pmos::volume {

struct Received {
    Request request;
    UniqueFd secret, other;
};

class Channel {
  public:
    explicit Channel(BorrowedFd socket) : socket_(socket) {}

    Result<Received> receive();
    // From here on SIGTERM, SIGHUP and SIGINT do not kill but make check() fail, so that what has
    // been begun is undone. Before, they kill: there is nothing to undo and nothing to wait for.
    Result<void> catch_signals();
    // Code::cancelled once a signal has come or pmosd has closed its end.
    Result<void> check();
    // Also a check(): every step of the work begins with one.
    Result<void> progress(std::uint32_t permille, std::string_view step);
    Result<void> send(const Event& event);
    // A text that is too long is cut.
    Result<void> detail(std::string_view name, std::string_view value);
    // For pmosd alone, which takes out of the kernel what is still open.
    Result<void> keys_ended();
    // Waits for the end of a child process: true ended, false cancelled (still running).
    Result<bool> wait_for(BorrowedFd pidfd);
    std::string_view step() const { return step_; }

  private:
    BorrowedFd socket_;
    UniqueFd signals_;
    bool cancelled_ = false;
    std::string step_;
};

}  // namespace pmos::volume
