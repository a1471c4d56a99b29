// policy: the pieces of which programs of type BPF_PROG_TYPE_CGROUP_DEVICE consist here. Decides
// nothing.
#pragma once

#include <linux/bpf.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "policy/device_filter.h"

namespace pmos::policy::device_code {

// Registers: 0 result, 1 context, 2 type, 3 access, 4 major, 5 minor, 6 scratch.
enum Register : std::uint8_t { result, context, type, access_bits, major_no, minor_no, scratch };

using Instructions = std::vector<EbpfInstruction>;

inline EbpfInstruction instruction(unsigned code, Register to, Register from, std::int16_t offset,
                                   std::int32_t immediate) {
    return {
        static_cast<std::uint8_t>(code),
        static_cast<std::uint8_t>(static_cast<unsigned>(to) | static_cast<unsigned>(from) << 4U),
        offset, immediate};
}
inline EbpfInstruction load(Register to, std::int16_t offset) {
    return instruction(BPF_LDX | BPF_MEM | BPF_W, to, context, offset, 0);
}
inline EbpfInstruction alu(unsigned op, Register to, std::int32_t immediate) {
    return instruction(BPF_ALU | op | BPF_K, to, result, 0, immediate);
}
inline EbpfInstruction copy(Register to, Register from) {
    return instruction(BPF_ALU | BPF_MOV | BPF_X, to, from, 0, 0);
}
inline EbpfInstruction unless_equal(Register left, std::uint32_t right, std::size_t skip) {
    // 32-bit comparison (Linux 5.1): a number above 2^31 is not extended by its sign.
    return instruction(BPF_JMP32 | BPF_JNE | BPF_K, left, result, static_cast<std::int16_t>(skip),
                       static_cast<std::int32_t>(right));
}
inline EbpfInstruction leave() { return instruction(BPF_JMP | BPF_EXIT, result, result, 0, 0); }

// struct bpf_cgroup_dev_ctx, access << 16 | type, major, minor, into the registers.
inline Instructions fetch() {
    return {load(type, 0),
            copy(access_bits, type),
            alu(BPF_AND, type, 0xffff),
            alu(BPF_RSH, access_bits, 16),
            load(major_no, 4),
            load(minor_no, 8)};
}
inline Instructions answer(bool allowed) {
    return {alu(BPF_MOV, result, allowed ? 1 : 0), leave()};
}

inline void append(Instructions& to, const Instructions& code) {
    to.insert(to.end(), code.begin(), code.end());
}

}  // namespace pmos::policy::device_code
