// peer: between a client and who serves it: bytes and no descriptors, of messages that are not too
// large. Ends when either side does, and keeps nothing of what has gone through.
#pragma once

#include <array>
#include <cstddef>
#include <memory>

#include "base/fd.h"
#include "base/result.h"
#include "runtime/event/loop.h"
#include "runtime/peer/frame_guard.h"

namespace pmos::peer {

class Relay {
  public:
    // The other end of what comes from the client is `server`.
    static Result<std::unique_ptr<Relay>> make(event::EventLoop& loop, UniqueFd client,
                                               UniqueFd& server, std::uint32_t most_bytes);
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;

  private:
    struct Way {
        std::array<std::byte, 16384> bytes;
        std::size_t begin = 0, end = 0;
        bool empty() const { return begin == end; }
    };
    Relay(event::EventLoop& loop, std::uint32_t most_bytes) : loop_(loop), guard_(most_bytes) {}
    void arm();
    void turn();
    bool read(int from, Way& way, bool guarded);
    bool write(int to, Way& way);
    void stop();

    event::EventLoop& loop_;
    UniqueFd client_, inner_;
    FrameGuard guard_;
    Way in_, out_;
    event::EventSource on_client_, on_inner_;
    std::uint32_t client_events_ = 0, inner_events_ = 0;
};

}  // namespace pmos::peer
