// audio: pmos-audio's end of one direction of a mode: a ring of frames on the mode's side, a stream
// in the phone's PipeWire on the other.
#include "runtime/audio/end.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <systemd/sd-journal.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "runtime/audio/line.h"

namespace pmos::audio {

Result<std::unique_ptr<End>> End::make(event::EventLoop& loop, Hardware& hardware, std::string mode,
                                       Direction direction, std::function<void()> changed) {
    PMOS_ASSIGN(auto ring, RingMemory::make());
    std::unique_ptr<End> made(
        new End(loop, hardware, std::move(mode), direction, std::move(ring), std::move(changed)));
    PMOS_TRY(made->begin());
    return made;
}

End::End(event::EventLoop& loop, Hardware& hardware, std::string mode, Direction direction,
         RingMemory ring, std::function<void()> changed)
    : loop_(loop),
      hardware_(hardware),
      mode_(std::move(mode)),
      direction_(direction),
      ring_(std::move(ring)),
      writer_(*ring_),
      reader_(*ring_),
      changed_(std::move(changed)) {}

Result<> End::begin() {
    PMOS_ASSIGN(auto ends, make_line());
    line_ = std::move(ends[0]);
    far_end_ = std::move(ends[1]);
    timer_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!timer_) return fail(errno_error(errno, "cannot make a timer"));
    on_line_ = loop_.on_io(line_.borrow(), EPOLLIN, [this](std::uint32_t) {
        hear_out(line_.borrow());
        look();
    });
    on_timer_ = loop_.on_io(timer_.borrow(), EPOLLIN, [this](std::uint32_t) { tick(); });
    hardware_.listen(*this);
    return {};
}

End::~End() {
    hardware_.unlisten(*this);
    flow(false);
}

void End::set(Gate gate, bool moves) {
    gate_ = gate;
    moves_ = moves;
    ring_->present.store(gate != Gate::absent ? 1 : 0, std::memory_order_release);
    look();
    ring_up(line_.borrow());
}

void End::port_gone() {
    ring_->wanted.store(0);
    look();
}

// The connection goes, and this with it.
void End::lost() {
    flow(false);
    stream_.reset();
    look();
}

// What is to be, of all that it depends on.
void End::look() {
    const bool wanted = gate_ != Gate::absent && moves_ && ring_->wanted.load() != 0;
    const bool open = wanted && gate_ == Gate::open;
    if (!open) flow(false);
    const bool there = open ? open_stream() : stream_ != nullptr;
    if (there) stream_->set_active(open);
    flow(open && there && stream_->runs());
    use(open && there);
    keep_time();
}

bool End::open_stream() {
    if (stream_) return true;
    if (hardware_.core() == nullptr) return false;
    Stream::Setup setup;
    setup.name = fmt::format("pmos-{}-{}", mode_, direction_name(direction_));
    setup.description = fmt::format("{} of {}", direction_name(direction_), mode_);
    setup.input = direction_ == Direction::capture;
    setup.active = false;
    auto made = Stream::connect(
        hardware_.core(), setup, [this](std::span<Frame> frames) { move(frames); },
        [this](bool) { look(); });
    if (!made) {
        sd_journal_print(LOG_ERR, "%s", made.error().message().c_str());
        return false;
    }
    stream_ = std::move(*made);
    return true;
}

void End::use(bool now) {
    if (std::exchange(used_, now) != now) changed_();
}

void End::flow(bool now) {
    if (flows_.exchange(now) != now && !now) hardware_.settle();
}

// In PipeWire's data thread.
void End::move(std::span<Frame> frames) {
    const bool flows = flows_.load();
    if (direction_ == Direction::capture) {
        if (!flows) return;
        writer_.push(frames);
    } else if (flows) {
        reader_.pull(frames);
    } else {
        std::ranges::fill(frames, Frame{});
        return;
    }
    ring_up(line_.borrow());
}

// Where the phone's clock does not drive it, and somebody in the mode waits, this does.
void End::keep_time() {
    const bool now = gate_ != Gate::absent && moves_ && ring_->wanted.load() != 0 && !flows_.load();
    if (std::exchange(timed_, now) == now) return;
    constexpr long kPeriod = 1'000'000'000L * kQuantum / kRate;
    itimerspec every{};
    if (now) every.it_interval.tv_nsec = every.it_value.tv_nsec = kPeriod;
    ::timerfd_settime(timer_.get(), 0, &every, nullptr);
}

void End::tick() {
    std::uint64_t count = 0;
    if (::read(timer_.get(), &count, sizeof count) != sizeof count || !timed_) return;
    if (direction_ == Direction::capture)
        writer_.push_silence(kQuantum);
    else
        reader_.drop(kQuantum);
    ring_up(line_.borrow());
}

}  // namespace pmos::audio
