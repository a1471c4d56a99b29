// volume: measures which flags a new volume is the fastest with. Writes noise into it: nothing else
// may be there yet.
#include "runtime/volume/flag_probe.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/aio_abi.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include "runtime/volume/flag_choice.h"

namespace pmos::volume {
namespace {

using Clock = std::chrono::steady_clock;

// A slow cipher makes each turn longer than it is meant to be: then there are fewer of them.
constexpr std::size_t kRounds = 5, kFewRounds = 3;
constexpr auto kTurn = std::chrono::milliseconds(8), kMost = std::chrono::milliseconds(800);
constexpr std::uint64_t kArea = 4ULL << 20;
constexpr std::size_t kSmall = 4096, kLarge = 128UL << 10;
constexpr unsigned kDepth = 8;

// Small ones one by one, as a database waits for them; large ones several at a time, so that more
// than one CPU can have a part in it, as read-ahead and write-back do.
struct Load {
    std::uint16_t opcode;
    std::size_t size;
    unsigned depth;
};
constexpr std::array<Load, kWorks> kLoads{
    Load{IOCB_CMD_PREAD, kSmall, 1}, Load{IOCB_CMD_PREAD, kLarge, kDepth},
    Load{IOCB_CMD_PWRITE, kSmall, 1}, Load{IOCB_CMD_PWRITE, kLarge, kDepth}};

// Direct, asynchronous reads and writes of the device.
class Bench {
  public:
    static Result<Bench> open(const std::string& device) {
        Bench bench;
        bench.fd_.reset(::open(device.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC));
        if (!bench.fd_ || ::syscall(SYS_io_setup, kDepth, &bench.queue_) != 0)
            return fail(errno_error(errno, fmt::format("cannot measure '{}'", device)));
        bench.buffer_.reset(static_cast<std::byte*>(std::aligned_alloc(4096, kDepth * kLarge)));
        if (!bench.buffer_) return fail(errno_error(ENOMEM, "cannot measure"));
        std::memset(bench.buffer_.get(), 0, kDepth * kLarge);
        return bench;
    }
    Bench(Bench&& other) noexcept
        : fd_(std::move(other.fd_)),
          queue_(std::exchange(other.queue_, 0)),
          buffer_(std::move(other.buffer_)) {}
    Bench& operator=(Bench&&) = delete;
    ~Bench() {
        if (queue_ != 0) ::syscall(SYS_io_destroy, queue_);
    }

    // What was never written reads faster than it ever will again.
    Result<void> fill() {
        for (std::uint64_t at = 0; at < kArea; at += kLarge)
            if (::pwrite(fd_.get(), buffer_.get(), kLarge, static_cast<off_t>(at)) !=
                static_cast<ssize_t>(kLarge))
                return fail(errno_error(errno, "cannot write into the new volume"));
        return {};
    }

    // ns that one operation took.
    Result<double> run(const Load& load) {
        const auto begin = Clock::now();
        std::uint64_t done = 0;
        unsigned under_way = 0;
        for (; under_way < load.depth; ++under_way) PMOS_TRY(submit(load, under_way));
        for (auto now = begin; under_way > 0; now = Clock::now()) {
            io_event event{};
            const long n = ::syscall(SYS_io_getevents, queue_, 1L, 1L, &event, nullptr);
            if (n < 0 && errno == EINTR) continue;
            if (n != 1 || event.res != static_cast<__s64>(load.size))
                return fail(errno_error(EIO, "cannot read or write the new volume"));
            ++done;
            if (now - begin < kTurn)
                PMOS_TRY(submit(load, static_cast<unsigned>(event.data)));
            else
                --under_way;
        }
        return std::chrono::duration<double, std::nano>(Clock::now() - begin).count() /
               static_cast<double>(done);
    }

  private:
    Bench() = default;

    Result<void> submit(const Load& load, unsigned slot) {
        // Small ones jump about, large ones follow each other.
        position_ = load.size == kSmall ? position_ * 1103515245 + 12345 : position_ + (1U << 3U);
        iocb request{};
        request.aio_data = slot;
        request.aio_fildes = static_cast<std::uint32_t>(fd_.get());
        request.aio_lio_opcode = load.opcode;
        request.aio_buf = reinterpret_cast<std::uintptr_t>(buffer_.get() + slot * kLarge);
        request.aio_nbytes = load.size;
        const std::uint64_t places = kArea / load.size;
        request.aio_offset = static_cast<std::int64_t>((position_ >> 3U) % places * load.size);
        iocb* list[] = {&request};
        if (::syscall(SYS_io_submit, queue_, 1L, list) == 1) return {};
        return fail(errno_error(errno, "cannot read or write the new volume"));
    }

    struct Free {
        void operator()(std::byte* buffer) const { std::free(buffer); }
    };
    UniqueFd fd_;
    aio_context_t queue_ = 0;
    std::unique_ptr<std::byte, Free> buffer_;
    std::uint64_t position_ = 1;
};

Result<MapFlags> measure(CryptDevice& crypt, const std::string& dm_name, Channel& channel) {
    PMOS_ASSIGN(Bench bench, Bench::open("/dev/mapper/" + dm_name));
    PMOS_TRY(bench.fill());
    auto candidates = flag_candidates();
    const Candidate& base = candidates.front();
    const auto begin = Clock::now();
    for (std::size_t round = 0; round < kRounds; ++round) {
        const auto is_in = [&](const Candidate& candidate) {
            return may_win(base, candidate, kRounds);
        };
        if (std::none_of(candidates.begin() + 1, candidates.end(), is_in)) break;
        if (round >= kFewRounds && Clock::now() - begin > kMost) break;
        for (auto& candidate : candidates) {
            if (&candidate != &base && !is_in(candidate)) continue;
            PMOS_TRY(channel.check());
            PMOS_TRY(crypt.remap(dm_name, candidate.flags));
            Round& took = candidate.rounds.emplace_back();
            for (std::size_t i = 0; i < kWorks; ++i) {
                PMOS_ASSIGN(took[i], bench.run(kLoads[i]));
            }
        }
    }
    return choose_flags(candidates);
}

}  // namespace

Result<MapFlags> probe_flags(CryptDevice& crypt, const std::string& dm_name, Channel& channel) {
    auto flags = measure(crypt, dm_name, channel);
    if (flags || flags.error().code == Code::cancelled) return flags;
    return MapFlags{};
}

}  // namespace pmos::volume
