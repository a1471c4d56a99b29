// event: sd-event as values, for the processes that have a loop. Never blocks; knows no mode.
#pragma once

#include <systemd/sd-event.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::event {

// Answers an asynchronous request, exactly once.
template <class T>
using Answer = std::move_only_function<void(Result<T>)>;
using Done = Answer<void>;

// An armed source. Destroying it disarms it, also from within its own callback.
class EventSource {
  public:
    EventSource() = default;
    EventSource(EventSource&&) = default;
    EventSource& operator=(EventSource&& other) noexcept;
    ~EventSource() { reset(); }
    void reset() noexcept;
    explicit operator bool() const noexcept { return source_ != nullptr; }

    struct Callback;

  private:
    friend class EventLoop;
    EventSource(sd_event_source* source, std::shared_ptr<Callback> callback) noexcept;
    struct Unref {
        void operator()(sd_event_source* s) const noexcept { sd_event_source_disable_unref(s); }
    };
    std::unique_ptr<sd_event_source, Unref> source_;
    std::shared_ptr<Callback> callback_;
};

class EventLoop {
  public:
    static Result<std::unique_ptr<EventLoop>> make();
    ~EventLoop();
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;

    // events: EPOLLIN, EPOLLPRI, ...; the descriptor stays the caller's.
    EventSource on_io(BorrowedFd fd, std::uint32_t events,
                      std::move_only_function<void(std::uint32_t)> callback);
    EventSource after(std::chrono::microseconds delay, std::move_only_function<void()> callback);
    EventSource on_signal(int signal, std::move_only_function<void()> callback);
    // Runs callback once, when nothing else is to be done: what was gathered meanwhile is told at
    // once.
    EventSource when_idle(std::move_only_function<void()> callback);
    // The same in the next turn, whatever else is to be done.
    EventSource next_turn(std::move_only_function<void()> callback);
    // Runs callback in the next turn of the loop; cannot be taken back.
    void soon(std::move_only_function<void()> callback);

    Result<> run();
    void quit(int code) noexcept;
    sd_event* get() const noexcept { return event_; }

  private:
    EventSource defer(std::int64_t priority, std::move_only_function<void()> callback);
    explicit EventLoop(sd_event* event) noexcept : event_(event) {}
    sd_event* event_;
};

}  // namespace pmos::event
