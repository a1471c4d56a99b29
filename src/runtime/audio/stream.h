// audio: a stream of PipeWire that carries frames of ours, on either side. The only file, with its
// .cpp, that knows how PipeWire writes a format.
#pragma once

#include <pipewire/pipewire.h>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/audio/ring.h"

namespace pmos::audio {

enum class Direction : std::uint8_t { playback, capture };
inline constexpr Direction kDirections[] = {Direction::playback, Direction::capture};
std::string_view direction_name(Direction direction) noexcept;

class Stream {
  public:
    // What happens to its frames, in PipeWire's data thread. `out`: frames to be filled; otherwise
    // such as have come.
    using Process = std::function<void(std::span<Frame>)>;
    struct Setup {
        std::string name, description;
        bool input = false;       // frames come out of PipeWire
        std::string media_class;  // of a device that it stands for; "": a client's stream
        bool driver = false;      // its trigger is the graph's clock
        bool active = true;
    };
    static Result<std::unique_ptr<Stream>> connect(pw_core* core, const Setup& setup,
                                                   Process process,
                                                   std::function<void(bool)> runs_now);
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    void set_active(bool active) noexcept { pw_stream_set_active(stream_.get(), active); }
    bool runs() const noexcept { return streaming_; }
    bool is_driving() noexcept { return pw_stream_is_driving(stream_.get()); }
    void trigger() noexcept { pw_stream_trigger_process(stream_.get()); }

  private:
    Stream(bool input, Process process, std::function<void(bool)> runs_now)
        : input_(input), process_(std::move(process)), runs_now_(std::move(runs_now)) {}
    void process();
    static void on_process(void* data);
    static void on_state(void* data, pw_stream_state old, pw_stream_state state, const char* error);

    struct Destroy {
        void operator()(pw_stream* stream) const noexcept { pw_stream_destroy(stream); }
    };
    static const pw_stream_events kEvents;
    bool input_;
    bool streaming_ = false;
    Process process_;
    std::function<void(bool)> runs_now_;
    spa_hook listener_{};
    std::unique_ptr<pw_stream, Destroy> stream_;
};

}  // namespace pmos::audio
