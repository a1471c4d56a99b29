// device: what device filters refused, as the kernel tells it. Refuses nothing itself.
#include "runtime/device/denial_ring.h"

#include <array>
#include <cstring>

#include "runtime/bpf/call.h"
#include "runtime/device/filter.h"

namespace pmos::device {
namespace {

using namespace bpf;

// What the program below writes; lies at the end of its stack.
struct Record {
    std::uint64_t pid_tgid = 0, uid_gid = 0;
    std::uint32_t type = 0, access = 0, major = 0, minor = 0;
    char comm[16]{};
};
static_assert(sizeof(Record) == 48);

bpf_insn keep(unsigned size, std::size_t field, unsigned from) {
    return store(size, BPF_REG_10, static_cast<int>(field) - static_cast<int>(sizeof(Record)),
                 from);
}

// Registers 2 to 5 hold type, access, major and minor all through the filter.
Program report_and_refuse(int map) {
    constexpr int kSize = sizeof(Record);
    Program out{
        keep(BPF_W, offsetof(Record, type), BPF_REG_2),
        keep(BPF_W, offsetof(Record, access), BPF_REG_3),
        keep(BPF_W, offsetof(Record, major), BPF_REG_4),
        keep(BPF_W, offsetof(Record, minor), BPF_REG_5),
        call(BPF_FUNC_get_current_pid_tgid),
        keep(BPF_DW, offsetof(Record, pid_tgid), BPF_REG_0),
        call(BPF_FUNC_get_current_uid_gid),
        keep(BPF_DW, offsetof(Record, uid_gid), BPF_REG_0),
        move(BPF_REG_1, BPF_REG_10),
        add(BPF_REG_1, static_cast<int>(offsetof(Record, comm)) - kSize),
        set(BPF_REG_2, sizeof Record::comm),
        call(BPF_FUNC_get_current_comm),
    };
    append_map(out, BPF_REG_1, map);
    const Program rest{
        move(BPF_REG_2, BPF_REG_10),
        add(BPF_REG_2, -kSize),
        set(BPF_REG_3, kSize),
        set(BPF_REG_4, 0),
        call(BPF_FUNC_ringbuf_output),  // full: the denial stands, the record is lost
        set(BPF_REG_0, 0),
        code(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
    };
    out.insert(out.end(), rest.begin(), rest.end());
    return out;
}

Program refusal() {
    return {code(BPF_ALU | BPF_MOV | BPF_K, 0, 0, 0, 0), code(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)};
}

std::vector<std::uint8_t> bytes_of(const Program& program) {
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
    PMOS_ASSIGN(Ring pages, Ring::make());
    DenialRing ring(std::move(pages));
    Program probe;
    for (const unsigned r : {BPF_REG_2, BPF_REG_3, BPF_REG_4, BPF_REG_5})
        probe.push_back(set(r, 0));
    const auto end = refusal();
    probe.insert(probe.end(), end.begin(), end.end());
    PMOS_ASSIGN(const auto program, ring.report(bytes_of(probe)));
    PMOS_TRY(load_filter(program));
    return ring;
}

std::vector<DeviceDenial> DenialRing::take() {
    std::vector<DeviceDenial> out;
    ring_.take(sizeof(Record), [&](const std::byte* bytes) {
        Record record;
        std::memcpy(&record, bytes, sizeof record);
        out.push_back(denial_of(record));
    });
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
    const auto tail = bytes_of(report_and_refuse(ring_.fd().get()));
    out.insert(out.end(), tail.begin(), tail.end());
    return out;
}

}  // namespace pmos::device
