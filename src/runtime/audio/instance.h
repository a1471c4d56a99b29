// audio: a mode's own PipeWire: the socket that its programs find, and, from the first one that
// comes there, PipeWire, its session manager and the port with the mode's devices. All as the mode.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/audio/end.h"
#include "runtime/event/process.h"

namespace pmos::audio {

// Where what it starts is.
struct Programs {
    std::string start, port;  // ours
    std::string pipewire = "/usr/bin/pipewire", wireplumber = "/usr/bin/wireplumber";
    std::string data;  // mode.conf, wireplumber/
};

class Instance {
  public:
    // dir: of the mode's socket. changed: used() of one of its ends has changed.
    static Result<std::unique_ptr<Instance>> make(event::EventLoop& loop, Hardware& hardware,
                                                  const Programs& programs, std::string dir,
                                                  const ModeSound& mode,
                                                  std::function<void()> changed);
    ~Instance();
    Instance(const Instance&) = delete;
    Instance& operator=(const Instance&) = delete;

    std::uint32_t id() const noexcept { return id_; }
    void set(const ModeSound& mode);
    bool used(Direction direction) const noexcept { return end(direction).used(); }

  private:
    struct Child {
        event::Spawned process;
        event::EventSource ended;
    };
    Instance(event::EventLoop& loop, Hardware& hardware, const Programs& programs, std::string dir,
             const ModeSound& mode)
        : loop_(loop),
          hardware_(hardware),
          programs_(programs),
          dir_(std::move(dir)),
          name_(mode.name),
          id_(mode.id) {}
    Result<> begin(const std::function<void()>& changed);
    Result<> take_back();
    Result<> listen();
    Result<> bind_here();
    void wait_for_one();
    void start();
    Result<> start_all();
    Result<> start_child(std::string program, std::vector<std::string> args,
                         std::vector<BorrowedFd> descriptors, bool listens);
    void on_ended();
    void end_for_now();
    void stop();
    End& end(Direction direction) const noexcept {
        return *ends_[static_cast<std::size_t>(direction)];
    }

    event::EventLoop& loop_;
    Hardware& hardware_;
    const Programs& programs_;
    std::string dir_, name_;
    std::uint32_t id_;
    UniqueFd place_, listener_;
    std::array<std::unique_ptr<End>, 2> ends_;
    std::vector<Child> children_;
    unsigned failures_ = 0;  // in a row
    std::chrono::steady_clock::time_point started_;
    event::EventSource somebody_, again_;
};

}  // namespace pmos::audio
