// audio: the phone's own PipeWire, the one that has devices. It comes and goes; nobody waits for
// it.
#include "runtime/audio/hardware.h"

#include <sys/epoll.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

namespace pmos::audio {
namespace {

using namespace std::chrono_literals;

constexpr auto kAgain = 500ms;

}  // namespace

const pw_core_events Hardware::kEvents = [] {
    pw_core_events events{};
    events.version = PW_VERSION_CORE_EVENTS;
    events.done = on_done;
    events.error = on_error;
    return events;
}();

Result<std::unique_ptr<Hardware>> Hardware::make(event::EventLoop& loop, std::string remote) {
    std::unique_ptr<Hardware> made(new Hardware(loop, std::move(remote)));
    PMOS_TRY(made->begin());
    return made;
}

// PipeWire's loop is one descriptor of ours.
Result<> Hardware::begin() {
    pw_init(nullptr, nullptr);
    pw_loop_ = pw_loop_new(nullptr);
    if (pw_loop_ != nullptr) context_ = pw_context_new(pw_loop_, nullptr, 0);
    if (context_ == nullptr) return fail(errno_error(errno, "cannot begin with PipeWire"));
    turning_ = loop_.on_io(BorrowedFd(pw_loop_get_fd(pw_loop_)), EPOLLIN, [this](std::uint32_t) {
        pw_loop_enter(pw_loop_);
        pw_loop_iterate(pw_loop_, 0);
        pw_loop_leave(pw_loop_);
    });
    return {};
}

void Hardware::want() {
    if (!std::exchange(wanted_, true)) connect();
}

Hardware::~Hardware() {
    turning_.reset();
    if (core_ != nullptr) pw_core_disconnect(core_);
    if (context_ != nullptr) pw_context_destroy(context_);
    if (pw_loop_ != nullptr) pw_loop_destroy(pw_loop_);
}

void Hardware::connect() {
    // Said once: where nobody is there, why not is not said anew with each attempt.
    if (why_not_.empty()) say("it has not answered yet");
    pw_properties* where = pw_properties_new(PW_KEY_REMOTE_NAME, remote_.c_str(), nullptr);
    core_ = pw_context_connect(context_, where, 0);
    if (core_ == nullptr) {
        say(errno_error(errno, "cannot reach PipeWire at '" + remote_ + "'").message());
        again_ = loop_.after(kAgain, [this] { connect(); });
        return;
    }
    pw_core_add_listener(core_, &hook_, &kEvents, this);
    // Its answer says that somebody listens there.
    pw_core_sync(core_, PW_ID_CORE, 0);
}

void Hardware::on_done(void* data, std::uint32_t id, int) {
    auto& self = *static_cast<Hardware*>(data);
    if (id != PW_ID_CORE || self.told_) return;
    self.told_ = true;
    for (auto* listener : self.listeners_) listener->connected();
    self.say("");
}

void Hardware::on_error(void* data, std::uint32_t id, int, int res, const char* message) {
    if (id == PW_ID_CORE && res == -EPIPE) static_cast<Hardware*>(data)->lose(message);
}

// Not from within its own dispatch.
void Hardware::lose(const char* why) {
    say(std::string("PipeWire has gone: ") + why);
    again_ = loop_.after(0ms, [this] {
        if (std::exchange(told_, false))
            for (auto* listener : listeners_) listener->lost();
        spa_hook_remove(&hook_);
        pw_core_disconnect(std::exchange(core_, nullptr));
        again_ = loop_.after(kAgain, [this] { connect(); });
    });
}

void Hardware::say(std::string why_not) {
    if (std::exchange(why_not_, std::move(why_not)) == why_not_) return;
    for (auto* listener : listeners_) listener->reachable_changed();
}

// Whoever asked rests upon it: without an answer all sound ends.
void Hardware::settle() noexcept {
    const auto note = [](spa_loop*, bool, std::uint32_t, const void*, std::size_t, void* data) {
        *static_cast<bool*>(data) = true;
        return 0;
    };
    bool settled = false;
    pw_data_loop_invoke(pw_context_get_data_loop(context_), note, 0, nullptr, 0, true, &settled);
    if (!settled) std::abort();
}

}  // namespace pmos::audio
