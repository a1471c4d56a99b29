// audio: the memory that pmos-audio and a mode's pmos-audio-port share, for one direction. Frames
// in a ring and two words. Whatever the other side writes into it, this one stays within it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::audio {

// Signed, 16 bit: what a mode plays holds no number that would spoil what it is mixed with.
struct Frame {
    std::int16_t left = 0, right = 0;
    friend bool operator==(const Frame&, const Frame&) = default;
};
inline constexpr std::uint32_t kRate = 48000;   // frames a second
inline constexpr std::uint32_t kQuantum = 512;  // frames that a mode's graph moves at once
// What a reader who finds more lets go: a clock that runs ahead must not become a delay.
inline constexpr std::uint32_t kMostWaiting = 8 * kQuantum;

struct SharedRing {
    static constexpr std::uint32_t kFrames = 8192;  // 170 ms; a power of two
    std::atomic<std::uint32_t> present;             // by pmos-audio: the device is there
    std::atomic<std::uint32_t> wanted;              // by the port: somebody uses it
    std::atomic<std::uint32_t> written, read;
    Frame frames[kFrames];
};
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

// Both sides' mapping of one.
class RingMemory {
  public:
    static Result<RingMemory> make();
    static Result<RingMemory> map(UniqueFd fd);
    BorrowedFd fd() const noexcept { return fd_.borrow(); }
    SharedRing* operator->() const noexcept { return ring_.get(); }
    SharedRing& operator*() const noexcept { return *ring_; }

  private:
    struct Unmap {
        void operator()(SharedRing* ring) const noexcept;
    };
    RingMemory(UniqueFd fd, SharedRing* ring) : fd_(std::move(fd)), ring_(ring) {}
    UniqueFd fd_;
    std::unique_ptr<SharedRing, Unmap> ring_;
};

// The one that writes frames. Its own place is its own: what stands in the memory is for the other.
class RingWriter {
  public:
    explicit RingWriter(SharedRing& ring) : ring_(&ring), at_(ring.written.load()) {}
    // How many found room.
    std::uint32_t push(std::span<const Frame> frames) noexcept;
    std::uint32_t push_silence(std::uint32_t count) noexcept;
    std::uint32_t at() const noexcept { return at_; }

  private:
    std::uint32_t room() const noexcept;
    SharedRing* ring_;
    std::uint32_t at_;
};

// The one that reads them.
class RingReader {
  public:
    explicit RingReader(SharedRing& ring) : ring_(&ring), at_(ring.read.load()) {}
    // Fills all of it, with silence where nothing is; how many were there.
    std::uint32_t pull(std::span<Frame> frames) noexcept;
    void drop(std::uint32_t count) noexcept;
    // What was written up to now is of another time.
    void drop_all() noexcept;

  private:
    std::uint32_t waiting() noexcept;
    SharedRing* ring_;
    std::uint32_t at_;
};

}  // namespace pmos::audio
