// event: sd-event as values, for the processes that have a loop. Never blocks; knows no mode.
#include "runtime/event/loop.h"

#include <csignal>

namespace pmos::event {

struct EventSource::Callback : std::enable_shared_from_this<EventSource::Callback> {
    std::move_only_function<void(std::uint32_t)> run;
};

EventSource::EventSource(sd_event_source* source, std::shared_ptr<Callback> callback) noexcept
    : source_(source), callback_(std::move(callback)) {}

EventSource& EventSource::operator=(EventSource&& other) noexcept {
    if (this != &other) {
        reset();
        source_ = std::move(other.source_);
        callback_ = std::move(other.callback_);
    }
    return *this;
}

void EventSource::reset() noexcept {
    source_.reset();
    callback_.reset();
}

namespace {

// Keeps the callback alive while it runs: it may destroy its own source.
int invoke(void* userdata, std::uint32_t events) {
    const auto keep = static_cast<EventSource::Callback*>(userdata)->shared_from_this();
    keep->run(events);
    return 0;
}

int io_trampoline(sd_event_source*, int, std::uint32_t revents, void* userdata) {
    return invoke(userdata, revents);
}
int time_trampoline(sd_event_source*, std::uint64_t, void* userdata) { return invoke(userdata, 0); }
int signal_trampoline(sd_event_source*, const signalfd_siginfo*, void* userdata) {
    return invoke(userdata, 0);
}
int deferred_trampoline(sd_event_source*, void* userdata) { return invoke(userdata, 0); }
int defer_trampoline(sd_event_source* source, void* userdata) {
    const std::unique_ptr<std::move_only_function<void()>> callback(
        static_cast<std::move_only_function<void()>*>(userdata));
    sd_event_source_unref(source);
    (*callback)();
    return 0;
}

}  // namespace

Result<std::unique_ptr<EventLoop>> EventLoop::make() {
    sd_event* event = nullptr;
    if (const int r = sd_event_default(&event); r < 0)
        return fail(errno_error(-r, "cannot make an event loop"));
    return std::unique_ptr<EventLoop>(new EventLoop(event));
}

EventLoop::~EventLoop() { sd_event_unref(event_); }

EventSource EventLoop::on_io(BorrowedFd fd, std::uint32_t events,
                             std::move_only_function<void(std::uint32_t)> callback) {
    auto held = std::make_shared<EventSource::Callback>();
    held->run = std::move(callback);
    sd_event_source* source = nullptr;
    if (sd_event_add_io(event_, &source, fd.get(), events, io_trampoline, held.get()) < 0)
        return {};
    return {source, std::move(held)};
}

// Whoever waits for less than this wants it to the microsecond.
constexpr std::chrono::milliseconds kShort{10};

EventSource EventLoop::after(std::chrono::microseconds delay,
                             std::move_only_function<void()> callback) {
    auto held = std::make_shared<EventSource::Callback>();
    held->run = [run = std::move(callback)](std::uint32_t) mutable { run(); };
    sd_event_source* source = nullptr;
    const std::uint64_t accuracy = delay < kShort ? 1 : 1000;
    if (sd_event_add_time_relative(event_, &source, CLOCK_BOOTTIME,
                                   static_cast<std::uint64_t>(delay.count()), accuracy,
                                   time_trampoline, held.get()) < 0)
        return {};
    return {source, std::move(held)};
}

EventSource EventLoop::on_signal(int signal, std::move_only_function<void()> callback) {
    auto held = std::make_shared<EventSource::Callback>();
    held->run = [run = std::move(callback)](std::uint32_t) mutable { run(); };
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    sd_event_source* source = nullptr;
    if (sd_event_add_signal(event_, &source, signal, signal_trampoline, held.get()) < 0) return {};
    return {source, std::move(held)};
}

EventSource EventLoop::when_idle(std::move_only_function<void()> callback) {
    return defer(SD_EVENT_PRIORITY_IDLE, std::move(callback));
}

EventSource EventLoop::next_turn(std::move_only_function<void()> callback) {
    return defer(SD_EVENT_PRIORITY_NORMAL, std::move(callback));
}

EventSource EventLoop::defer(std::int64_t priority, std::move_only_function<void()> callback) {
    auto held = std::make_shared<EventSource::Callback>();
    held->run = [run = std::move(callback)](std::uint32_t) mutable { run(); };
    sd_event_source* source = nullptr;
    if (sd_event_add_defer(event_, &source, deferred_trampoline, held.get()) < 0) return {};
    EventSource made{source, std::move(held)};
    sd_event_source_set_priority(source, priority);
    return made;
}

void EventLoop::soon(std::move_only_function<void()> callback) {
    auto held = std::make_unique<std::move_only_function<void()>>(std::move(callback));
    sd_event_source* source = nullptr;
    if (sd_event_add_defer(event_, &source, defer_trampoline, held.get()) < 0) {
        (*held)();  // out of memory for the source: late is worse than early
        return;
    }
    static_cast<void>(held.release());
}

Result<> EventLoop::run() {
    if (const int r = sd_event_loop(event_); r < 0)
        return fail(errno_error(-r, "the event loop failed"));
    return {};
}

void EventLoop::quit(int code) noexcept { sd_event_exit(event_, code); }

}  // namespace pmos::event
