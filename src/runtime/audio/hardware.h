// audio: the phone's own PipeWire, the one that has devices. It comes and goes; nobody waits for
// it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/audio/stream.h"
#include "runtime/event/loop.h"

namespace pmos::audio {

class Hardware {
  public:
    // Told when the connection was made, and when it was lost, with its streams.
    class Listener {
      public:
        virtual void connected() = 0;
        virtual void lost() = 0;
        virtual void reachable_changed() {}

      protected:
        ~Listener() = default;
    };
    static Result<std::unique_ptr<Hardware>> make(event::EventLoop& loop, std::string remote);
    ~Hardware();
    Hardware(const Hardware&) = delete;
    Hardware& operator=(const Hardware&) = delete;

    // From now on it is to be there.
    void want();
    void listen(Listener& listener) { listeners_.push_back(&listener); }
    void unlisten(Listener& listener) { std::erase(listeners_, &listener); }
    // nullptr while there is none that answers.
    pw_core* core() const noexcept { return told_ ? core_ : nullptr; }
    // Why there is none; "": there is, or none was wanted.
    const std::string& why_not() const noexcept { return why_not_; }
    // When it returns, no stream's Process runs that began before.
    void settle() noexcept;

  private:
    Hardware(event::EventLoop& loop, std::string remote)
        : loop_(loop), remote_(std::move(remote)) {}
    Result<> begin();
    void connect();
    void lose(const char* why);
    void say(std::string why_not);
    static void on_error(void* data, std::uint32_t id, int seq, int res, const char* message);
    static void on_done(void* data, std::uint32_t id, int seq);
    static const pw_core_events kEvents;

    event::EventLoop& loop_;
    std::string remote_, why_not_;
    std::vector<Listener*> listeners_;
    pw_loop* pw_loop_ = nullptr;
    pw_context* context_ = nullptr;
    pw_core* core_ = nullptr;
    spa_hook hook_{};
    bool wanted_ = false;
    bool told_ = false;  // that it is there
    event::EventSource turning_, again_;
};

}  // namespace pmos::audio
