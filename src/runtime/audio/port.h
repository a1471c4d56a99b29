// audio: one device in a mode's PipeWire: the loudspeaker or the microphone. It is the clock of who
// uses it, and its own clock is the phone's: each ring on the line says that frames have moved
// there.
#pragma once

#include <atomic>
#include <memory>

#include "base/fd.h"
#include "base/result.h"
#include "runtime/audio/ring.h"
#include "runtime/audio/stream.h"

namespace pmos::audio {

// To the mode's PipeWire, of PIPEWIRE_RUNTIME_DIR.
class Connection {
  public:
    static Result<std::unique_ptr<Connection>> make();
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    // Until it is lost, which is an error.
    Result<> run();
    pw_core* core() const noexcept { return core_; }
    pw_loop* loop() const noexcept { return pw_main_loop_get_loop(loop_); }

  private:
    Connection() = default;
    static void on_error(void* data, std::uint32_t id, int seq, int res, const char* message);
    static const pw_core_events kEvents;
    pw_main_loop* loop_ = nullptr;
    pw_context* context_ = nullptr;
    pw_core* core_ = nullptr;
    spa_hook listener_{};
    std::string lost_;
};

class Port {
  public:
    static Result<std::unique_ptr<Port>> make(Connection& connection, Direction direction,
                                              RingMemory ring, UniqueFd line, UniqueFd told);
    ~Port();
    Port(const Port&) = delete;
    Port& operator=(const Port&) = delete;

  private:
    Port(Connection& connection, Direction direction, RingMemory ring, UniqueFd line,
         UniqueFd told);
    void on_ring();
    Result<> look();
    Result<> appear();
    void runs(bool now);
    bool due() const noexcept;
    void move(std::span<Frame> frames);

    Connection& connection_;
    Direction direction_;
    RingMemory ring_;
    UniqueFd line_, told_;
    RingWriter writer_;
    RingReader reader_;
    spa_source* on_line_ = nullptr;
    std::unique_ptr<Stream> stream_;
    bool running_ = false;
    std::atomic<bool> fresh_ = false;  // begun anew: what lies in the ring is of before
};

}  // namespace pmos::audio
