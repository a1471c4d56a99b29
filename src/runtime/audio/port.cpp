// audio: one device in a mode's PipeWire: the loudspeaker or the microphone.
#include "runtime/audio/port.h"

#include <sys/eventfd.h>

#include <cerrno>
#include <utility>

#include "runtime/audio/line.h"

namespace pmos::audio {
namespace {

// Frames that a mode's graph plays ahead of the phone's.
constexpr std::uint32_t kAhead = 2 * kQuantum;

}  // namespace

const pw_core_events Connection::kEvents = [] {
    pw_core_events events{};
    events.version = PW_VERSION_CORE_EVENTS;
    events.error = on_error;
    return events;
}();

Result<std::unique_ptr<Connection>> Connection::make() {
    pw_init(nullptr, nullptr);
    std::unique_ptr<Connection> made(new Connection);
    made->loop_ = pw_main_loop_new(nullptr);
    if (made->loop_ != nullptr) made->context_ = pw_context_new(made->loop(), nullptr, 0);
    if (made->context_ != nullptr) made->core_ = pw_context_connect(made->context_, nullptr, 0);
    if (made->core_ == nullptr)
        return fail(errno_error(errno, "cannot connect to the mode's PipeWire"));
    pw_core_add_listener(made->core_, &made->listener_, &kEvents, made.get());
    return made;
}

Connection::~Connection() {
    if (core_ != nullptr) pw_core_disconnect(core_);
    if (context_ != nullptr) pw_context_destroy(context_);
    if (loop_ != nullptr) pw_main_loop_destroy(loop_);
}

void Connection::on_error(void* data, std::uint32_t id, int, int res, const char* message) {
    auto& self = *static_cast<Connection*>(data);
    if (id != PW_ID_CORE || res != -EPIPE) return;
    self.lost_ = message;
    pw_main_loop_quit(self.loop_);
}

Result<> Connection::run() {
    pw_main_loop_run(loop_);
    return fail(Code::unreachable, "the mode's PipeWire has gone", lost_);
}

Result<std::unique_ptr<Port>> Port::make(Connection& connection, Direction direction,
                                         RingMemory ring, UniqueFd line, UniqueFd told) {
    std::unique_ptr<Port> made(
        new Port(connection, direction, std::move(ring), std::move(line), std::move(told)));
    pw_loop* loop = connection.loop();
    made->on_line_ = pw_loop_add_io(
        loop, made->line_.get(), SPA_IO_IN, false,
        [](void* data, int, std::uint32_t) { static_cast<Port*>(data)->on_ring(); }, made.get());
    if (made->on_line_ == nullptr) return fail(errno_error(errno, "cannot wait for pmos-audio"));
    PMOS_TRY(made->look());
    return made;
}

Port::Port(Connection& connection, Direction direction, RingMemory ring, UniqueFd line,
           UniqueFd told)
    : connection_(connection),
      direction_(direction),
      ring_(std::move(ring)),
      line_(std::move(line)),
      told_(std::move(told)),
      writer_(*ring_),
      reader_(*ring_) {}

Port::~Port() {
    if (on_line_ != nullptr) pw_loop_destroy_source(connection_.loop(), on_line_);
}

// One turn of the graph for each of the phone's, and none on the heels of another: who still works
// on that would never be done.
void Port::on_ring() {
    hear_out(line_.borrow());
    static_cast<void>(look());
    if (running_ && due() && stream_->is_driving()) stream_->trigger();
}

// A microphone moves what has come, a loudspeaker what will be needed.
bool Port::due() const noexcept {
    const std::uint32_t filled = ring_->written.load(std::memory_order_acquire) -
                                 ring_->read.load(std::memory_order_acquire);
    return direction_ == Direction::capture ? filled >= kQuantum : filled < kAhead;
}

// In PipeWire's data thread.
void Port::move(std::span<Frame> frames) {
    if (direction_ == Direction::playback) {
        writer_.push(frames);
        return;
    }
    if (fresh_.exchange(false)) reader_.drop_all();
    reader_.pull(frames);
}

// The device comes and goes as pmos-audio says.
Result<> Port::look() {
    const bool there = ring_->present.load(std::memory_order_acquire) != 0;
    if (there && !stream_) return appear();
    if (!there && stream_) {
        stream_.reset();
        runs(false);
    }
    return {};
}

Result<> Port::appear() {
    const bool microphone = direction_ == Direction::capture;
    Stream::Setup setup;
    setup.name = microphone ? "pmos-microphone" : "pmos-loudspeaker";
    setup.description = microphone ? "Microphone" : "Loudspeaker";
    setup.media_class = microphone ? "Audio/Source" : "Audio/Sink";
    setup.input = !microphone;
    setup.driver = true;
    PMOS_ASSIGN(stream_,
                Stream::connect(
                    connection_.core(), setup, [this](std::span<Frame> frames) { move(frames); },
                    [this](bool now) { runs(now); }));
    return {};
}

void Port::runs(bool now) {
    if (std::exchange(running_, now) == now) return;
    fresh_.store(now);
    ring_->wanted.store(now ? 1 : 0, std::memory_order_release);
    static_cast<void>(::eventfd_write(told_.get(), 1));
}

}  // namespace pmos::audio
