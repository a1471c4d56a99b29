// audio: pmos-audio's end of one direction of a mode: a ring of frames on the mode's side, a stream
// in the phone's PipeWire on the other.
#include "runtime/audio/end.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <systemd/sd-journal.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "runtime/audio/line.h"

namespace pmos::audio {
namespace {

using namespace std::chrono_literals;

constexpr auto kPause = 50ms;
constexpr auto kFall = 1s;
constexpr auto kStalls = 1s;

}  // namespace

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
    told_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!told_) return fail(errno_error(errno, "cannot make an event"));
    // However often it is told, it looks twenty times a second.
    on_told_ = loop_.on_io(told_.borrow(), EPOLLIN | EPOLLET, [this](std::uint32_t) {
        if (later_) return;
        look();
        look_later();
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
    use(open && there, !open_to_it());
    keep_time();
}

void End::look_later() {
    later_ = loop_.after(kPause, [this] {
        later_.reset();
        look();
    });
}

bool End::open_to_it() const noexcept { return gate_ == Gate::open && moves_; }

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

// A short use is seen, too, and one that comes and goes is one.
void End::use(bool now, bool at_once) {
    if (now == used_) return fall_.reset();
    if (!now && !at_once) {
        if (!fall_) fall_ = loop_.after(kFall, [this] { use(false, true); });
        return;
    }
    fall_.reset();
    used_ = now;
    changed_();
}

void End::flow(bool now) {
    if (flows_.load() == now) return;
    watching_.reset();
    if (now) fresh_.store(true);
    flows_.store(now);
    if (now)
        watch_flow();
    else
        hardware_.settle();
}

// A PipeWire that says that it runs and does not move: the mode gets silence, and a new stream is
// tried.
void End::watch_flow() {
    watching_ = loop_.after(kStalls, [this, before = moved_.load()] {
        if (moved_.load() != before) return watch_flow();
        sd_journal_print(LOG_WARNING, "the phone's PipeWire stands still");
        flow(false);
        stream_.reset();
        keep_time();
        look_later();
    });
}

// In PipeWire's data thread.
void End::move(std::span<Frame> frames) {
    const bool flows = flows_.load();
    moved_.fetch_add(1);
    if (direction_ == Direction::capture) {
        if (!flows) return;
        writer_.push(frames);
    } else if (flows) {
        if (fresh_.exchange(false)) reader_.drop_all();
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
