// device: what device filters refused, as the kernel tells it. Refuses nothing itself.
#include "runtime/device/denial_ring.h"

#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/device/bpf.h"
#include "runtime/device/filter.h"

namespace pmos::device {
namespace {

constexpr std::size_t kRingBytes = 64 << 10;  // a power of two and whole pages

// What the program below writes; lies at the end of its stack.
struct Record {
    std::uint64_t pid_tgid = 0, uid_gid = 0;
    std::uint32_t type = 0, access = 0, major = 0, minor = 0;
    char comm[16]{};
};
static_assert(sizeof(Record) == 48);

std::size_t page() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

bpf_insn code(unsigned op, unsigned to, unsigned from, int offset, int immediate) {
    bpf_insn out{};
    out.code = static_cast<__u8>(op);
    out.dst_reg = static_cast<__u8>(to & 15U);
    out.src_reg = static_cast<__u8>(from & 15U);
    out.off = static_cast<__s16>(offset);
    out.imm = immediate;
    return out;
}
bpf_insn store(unsigned size, std::size_t field, unsigned from) {
    return code(BPF_STX | BPF_MEM | size, BPF_REG_10, from,
                static_cast<int>(field) - static_cast<int>(sizeof(Record)), 0);
}
bpf_insn call(int helper) { return code(BPF_JMP | BPF_CALL, 0, 0, 0, helper); }
bpf_insn set(unsigned to, int value) { return code(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value); }
bpf_insn stack_address(unsigned to) {
    return code(BPF_ALU64 | BPF_MOV | BPF_X, to, BPF_REG_10, 0, 0);
}
bpf_insn add(unsigned to, int value) { return code(BPF_ALU64 | BPF_ADD | BPF_K, to, 0, 0, value); }

// Registers 2 to 5 hold type, access, major and minor all through the filter.
std::vector<bpf_insn> report_and_refuse(int map) {
    constexpr int kSize = sizeof(Record);
    return {
        store(BPF_W, offsetof(Record, type), BPF_REG_2),
        store(BPF_W, offsetof(Record, access), BPF_REG_3),
        store(BPF_W, offsetof(Record, major), BPF_REG_4),
        store(BPF_W, offsetof(Record, minor), BPF_REG_5),
        call(BPF_FUNC_get_current_pid_tgid),
        store(BPF_DW, offsetof(Record, pid_tgid), BPF_REG_0),
        call(BPF_FUNC_get_current_uid_gid),
        store(BPF_DW, offsetof(Record, uid_gid), BPF_REG_0),
        stack_address(BPF_REG_1),
        add(BPF_REG_1, static_cast<int>(offsetof(Record, comm)) - kSize),
        set(BPF_REG_2, sizeof Record::comm),
        call(BPF_FUNC_get_current_comm),
        code(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map),
        code(0, 0, 0, 0, 0),  // the upper half of the address
        stack_address(BPF_REG_2),
        add(BPF_REG_2, -kSize),
        set(BPF_REG_3, kSize),
        set(BPF_REG_4, 0),
        call(BPF_FUNC_ringbuf_output),  // full: the denial stands, the record is lost
        set(BPF_REG_0, 0),
        code(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
    };
}

std::vector<bpf_insn> refusal() {
    return {code(BPF_ALU | BPF_MOV | BPF_K, 0, 0, 0, 0), code(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)};
}

std::vector<std::uint8_t> bytes_of(const std::vector<bpf_insn>& program) {
    std::vector<std::uint8_t> bytes(program.size() * sizeof(bpf_insn));
    std::memcpy(bytes.data(), program.data(), bytes.size());
    return bytes;
}

DeviceDenial denial_of(const Record& r) {
    DeviceDenial d;
    d.block = r.type == BPF_DEVCG_DEV_BLOCK;
    d.major = r.major;
    d.minor = r.minor;
    d.access = r.access;
    d.uid = static_cast<std::uint32_t>(r.uid_gid);
    d.pid = static_cast<int>(r.pid_tgid >> 32U);
    d.program.assign(r.comm, ::strnlen(r.comm, sizeof r.comm));
    return d;
}

}  // namespace

Result<DenialRing> DenialRing::make() {
    bpf_attr attr{};
    attr.map_type = BPF_MAP_TYPE_RINGBUF;
    attr.max_entries = kRingBytes;
    UniqueFd map(sys_bpf(BPF_MAP_CREATE, attr));
    if (!map) return fail(errno_error(-map.get(), "cannot make a BPF ring buffer"));
    DenialRing ring(std::move(map));
    PMOS_TRY(ring.map_pages());
    std::vector<bpf_insn> probe;
    for (const unsigned r : {BPF_REG_2, BPF_REG_3, BPF_REG_4, BPF_REG_5})
        probe.push_back(set(r, 0));
    const auto end = refusal();
    probe.insert(probe.end(), end.begin(), end.end());
    PMOS_ASSIGN(const auto program, ring.report(bytes_of(probe)));
    PMOS_TRY(load_filter(program));
    return ring;
}

Result<> DenialRing::map_pages() {
    void* consumer = ::mmap(nullptr, page(), PROT_READ | PROT_WRITE, MAP_SHARED, map_.get(), 0);
    if (consumer == MAP_FAILED) return fail(errno_error(errno, "cannot map the ring buffer"));
    consumer_ = static_cast<std::byte*>(consumer);
    void* producer = ::mmap(nullptr, page() + 2 * kRingBytes, PROT_READ, MAP_SHARED, map_.get(),
                            static_cast<off_t>(page()));
    if (producer == MAP_FAILED) return fail(errno_error(errno, "cannot map the ring buffer"));
    producer_ = static_cast<const std::byte*>(producer);
    return {};
}

DenialRing::DenialRing(DenialRing&& other) noexcept
    : map_(std::move(other.map_)),
      consumer_(std::exchange(other.consumer_, nullptr)),
      producer_(std::exchange(other.producer_, nullptr)) {}

DenialRing::~DenialRing() {
    if (consumer_ != nullptr) ::munmap(consumer_, page());
    if (producer_ != nullptr) ::munmap(const_cast<std::byte*>(producer_), page() + 2 * kRingBytes);
}

// Documentation/bpf/ringbuf.rst: positions only grow; a record is its length, a page offset, and
// the bytes, padded to 8. The kernel writes the length last.
std::vector<DeviceDenial> DenialRing::take() {
    std::vector<DeviceDenial> out;
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
        const std::size_t size = length & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
        if ((length & BPF_RINGBUF_DISCARD_BIT) == 0 && size == sizeof(Record)) {
            Record record;
            std::memcpy(&record, entry + BPF_RINGBUF_HDR_SZ, sizeof record);
            out.push_back(denial_of(record));
        }
        at += (size + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
        std::atomic_ref(read).store(at, std::memory_order_release);
    }
    return out;
}

Result<std::vector<std::uint8_t>> DenialRing::report(
    std::span<const std::uint8_t> instructions) const {
    const auto end = bytes_of(refusal());
    if (instructions.size() < end.size() ||
        std::memcmp(instructions.last(end.size()).data(), end.data(), end.size()) != 0)
        return fail(Code::usage, "the device filter does not end with its refusal");
    std::vector<std::uint8_t> out(instructions.begin(),
                                  instructions.end() - static_cast<std::ptrdiff_t>(end.size()));
    const auto tail = bytes_of(report_and_refuse(map_.get()));
    out.insert(out.end(), tail.begin(), tail.end());
    return out;
}

}  // namespace pmos::device
