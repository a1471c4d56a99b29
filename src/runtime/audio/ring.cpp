// audio: the memory that pmos-audio and a mode's pmos-audio-port share, for one direction.
#include "runtime/audio/ring.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace pmos::audio {
namespace {

constexpr std::uint32_t kMask = SharedRing::kFrames - 1;
static_assert((SharedRing::kFrames & kMask) == 0);

}  // namespace

void RingMemory::Unmap::operator()(SharedRing* ring) const noexcept {
    ::munmap(ring, sizeof *ring);
}

// Neither side can make it smaller under the other's feet.
Result<RingMemory> RingMemory::make() {
    UniqueFd fd(::memfd_create("pmos-audio", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd || ::ftruncate(fd.get(), sizeof(SharedRing)) != 0 ||
        ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return fail(errno_error(errno, "cannot make memory to share"));
    return map(std::move(fd));
}

Result<RingMemory> RingMemory::map(UniqueFd fd) {
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0 || st.st_size != sizeof(SharedRing))
        return fail(Code::usage, "that is no ring of frames");
    void* at = ::mmap(nullptr, sizeof(SharedRing), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    if (at == MAP_FAILED) return fail(errno_error(errno, "cannot map a ring of frames"));
    return RingMemory(std::move(fd), static_cast<SharedRing*>(at));
}

std::uint32_t RingWriter::room() const noexcept {
    const std::uint32_t used = at_ - ring_->read.load(std::memory_order_acquire);
    return used > SharedRing::kFrames ? 0 : SharedRing::kFrames - used;
}

std::uint32_t RingWriter::push(std::span<const Frame> frames) noexcept {
    const auto count = std::min(room(), static_cast<std::uint32_t>(frames.size()));
    for (std::uint32_t i = 0; i < count; ++i) ring_->frames[(at_ + i) & kMask] = frames[i];
    at_ += count;
    ring_->written.store(at_, std::memory_order_release);
    return count;
}

std::uint32_t RingWriter::push_silence(std::uint32_t count) noexcept {
    count = std::min(count, room());
    for (std::uint32_t i = 0; i < count; ++i) ring_->frames[(at_ + i) & kMask] = {};
    at_ += count;
    ring_->written.store(at_, std::memory_order_release);
    return count;
}

// Where the writer is far ahead, the oldest go.
std::uint32_t RingReader::waiting() noexcept {
    const std::uint32_t end = ring_->written.load(std::memory_order_acquire);
    std::uint32_t count = end - at_;
    if (count > SharedRing::kFrames) count = 0;
    if (count > kMostWaiting) count = kQuantum;
    at_ = end - count;
    return count;
}

std::uint32_t RingReader::pull(std::span<Frame> frames) noexcept {
    const auto count = std::min(waiting(), static_cast<std::uint32_t>(frames.size()));
    for (std::uint32_t i = 0; i < count; ++i) frames[i] = ring_->frames[(at_ + i) & kMask];
    std::ranges::fill(frames.subspan(count), Frame{});
    at_ += count;
    ring_->read.store(at_, std::memory_order_release);
    return count;
}

void RingReader::drop(std::uint32_t count) noexcept {
    at_ += std::min(waiting(), count);
    ring_->read.store(at_, std::memory_order_release);
}

void RingReader::drop_all() noexcept {
    at_ = ring_->written.load(std::memory_order_acquire);
    ring_->read.store(at_, std::memory_order_release);
}

}  // namespace pmos::audio
