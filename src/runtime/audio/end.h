// audio: pmos-audio's end of one direction of a mode: a ring of frames on the mode's side, a stream
// in the phone's PipeWire on the other. Here it is decided what flows.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "runtime/audio/hardware.h"
#include "runtime/audio/protocol.h"
#include "runtime/audio/ring.h"

namespace pmos::audio {

class End final : Hardware::Listener {
  public:
    // changed: used() has changed.
    static Result<std::unique_ptr<End>> make(event::EventLoop& loop, Hardware& hardware,
                                             std::string mode, Direction direction,
                                             std::function<void()> changed);
    ~End();
    End(const End&) = delete;
    End& operator=(const End&) = delete;

    // Once it returns, not one frame more passes a gate that is not open. moves: the mode runs.
    void set(Gate gate, bool moves);
    // The mode uses the phone's device now.
    bool used() const noexcept { return used_; }
    // The mode's side has ended without a word.
    void port_gone();

    // For the port.
    BorrowedFd ring() const noexcept { return ring_.fd(); }
    BorrowedFd line() const noexcept { return far_end_.borrow(); }
    BorrowedFd told() const noexcept { return told_.borrow(); }

  private:
    End(event::EventLoop& loop, Hardware& hardware, std::string mode, Direction direction,
        RingMemory ring, std::function<void()> changed);
    Result<> begin();
    void connected() override { look(); }
    void lost() override;
    void look();
    void look_later();
    bool open_to_it() const noexcept;
    void flow(bool now);
    void use(bool now, bool at_once);
    void watch_flow();
    bool open_stream();
    void move(std::span<Frame> frames);
    void keep_time();
    void tick();

    event::EventLoop& loop_;
    Hardware& hardware_;
    std::string mode_;
    Direction direction_;
    RingMemory ring_;
    RingWriter writer_;
    RingReader reader_;
    UniqueFd line_, far_end_, told_, timer_;
    std::function<void()> changed_;
    Gate gate_ = Gate::absent;
    bool moves_ = false, used_ = false, timed_ = false;
    // Whether the phone's PipeWire moves the frames, or the timer does. Never both: the ring's ends
    // are one thread's at a time.
    std::atomic<bool> flows_ = false;
    std::atomic<bool> fresh_ = false;       // it has begun anew: what lies in the ring is of before
    std::atomic<std::uint32_t> moved_ = 0;  // turns of the phone's PipeWire, for the watch over it
    std::unique_ptr<Stream> stream_;
    event::EventSource on_told_, later_, fall_, on_timer_, watching_;
};

}  // namespace pmos::audio
