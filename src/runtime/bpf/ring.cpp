// bpf: a BPF ring buffer (Linux 5.8), read without copying in between. Knows no record's meaning.
#include "runtime/bpf/ring.h"

#include <sys/mman.h>

#include <atomic>
#include <string_view>
#include <utility>

#include "runtime/bpf/call.h"

namespace pmos::bpf {
namespace {

constexpr std::size_t kRingBytes = 64 << 10;  // a power of two and whole pages

std::size_t page() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

}  // namespace

std::string verdict_of(std::string_view log) {
    while (!log.empty() && (log.back() == '\n' || log.back() == '\0')) log.remove_suffix(1);
    if (const auto counts = log.rfind("\nprocessed "); counts != std::string_view::npos)
        log = log.substr(0, counts);
    const auto line = log.rfind('\n');
    return std::string(line == std::string_view::npos ? log : log.substr(line + 1));
}

Result<Ring> Ring::make() {
    bpf_attr attr{};
    attr.map_type = BPF_MAP_TYPE_RINGBUF;
    attr.max_entries = kRingBytes;
    UniqueFd map(sys_bpf(BPF_MAP_CREATE, attr));
    if (!map) return fail(errno_error(-map.get(), "cannot make a BPF ring buffer"));
    Ring ring(std::move(map));
    PMOS_TRY(ring.map_pages());
    return ring;
}

Result<> Ring::map_pages() {
    void* consumer = ::mmap(nullptr, page(), PROT_READ | PROT_WRITE, MAP_SHARED, map_.get(), 0);
    if (consumer == MAP_FAILED) return fail(errno_error(errno, "cannot map the ring buffer"));
    consumer_ = static_cast<std::byte*>(consumer);
    void* producer = ::mmap(nullptr, page() + 2 * kRingBytes, PROT_READ, MAP_SHARED, map_.get(),
                            static_cast<off_t>(page()));
    if (producer == MAP_FAILED) return fail(errno_error(errno, "cannot map the ring buffer"));
    producer_ = static_cast<const std::byte*>(producer);
    return {};
}

Ring::Ring(Ring&& other) noexcept
    : map_(std::move(other.map_)),
      consumer_(std::exchange(other.consumer_, nullptr)),
      producer_(std::exchange(other.producer_, nullptr)) {}

Ring::~Ring() {
    if (consumer_ != nullptr) ::munmap(consumer_, page());
    if (producer_ != nullptr) ::munmap(const_cast<std::byte*>(producer_), page() + 2 * kRingBytes);
}

// Documentation/bpf/ringbuf.rst: positions only grow; a record is its length, a page offset, and
// the bytes, padded to 8. The kernel writes the length last.
void Ring::take(std::size_t size, const std::function<void(const std::byte*)>& record) {
    auto& read = *reinterpret_cast<unsigned long*>(consumer_);
    auto& written = *const_cast<unsigned long*>(reinterpret_cast<const unsigned long*>(producer_));
    const std::byte* data = producer_ + page();
    // What comes meanwhile waits for the next turn: a mode that tries without end must not hold us.
    const unsigned long end = std::atomic_ref(written).load(std::memory_order_acquire);
    unsigned long at = read;
    while (at < end) {
        const std::byte* entry = data + (at & (kRingBytes - 1));
        auto& header = *const_cast<std::uint32_t*>(reinterpret_cast<const std::uint32_t*>(entry));
        const auto length = std::atomic_ref(header).load(std::memory_order_acquire);
        if ((length & BPF_RINGBUF_BUSY_BIT) != 0) break;
        const std::size_t bytes = length & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
        if ((length & BPF_RINGBUF_DISCARD_BIT) == 0 && bytes == size)
            record(entry + BPF_RINGBUF_HDR_SZ);
        at += (bytes + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
        std::atomic_ref(read).store(at, std::memory_order_release);
    }
}

}  // namespace pmos::bpf
