// bpf: bpf(2) itself, and its instructions. Loads nothing.
#pragma once

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

namespace pmos::bpf {

inline int sys_bpf(bpf_cmd command, bpf_attr& attr) noexcept {
    const long r = ::syscall(SYS_bpf, command, &attr, sizeof attr);
    return r < 0 ? -errno : static_cast<int>(r);
}

template <class T>
std::uint64_t address(T* pointer) {
    return reinterpret_cast<std::uint64_t>(pointer);
}

// What the verifier said last: it ends with the counts of its work, its verdict is the line before.
std::string verdict_of(std::string_view log);

using Program = std::vector<bpf_insn>;

inline bpf_insn code(unsigned op, unsigned to, unsigned from, int offset, int immediate) {
    bpf_insn out{};
    out.code = static_cast<__u8>(op);
    out.dst_reg = static_cast<__u8>(to & 15U);
    out.src_reg = static_cast<__u8>(from & 15U);
    out.off = static_cast<__s16>(offset);
    out.imm = immediate;
    return out;
}
inline bpf_insn call(int helper) { return code(BPF_JMP | BPF_CALL, 0, 0, 0, helper); }
inline bpf_insn set(unsigned to, int value) {
    return code(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value);
}
inline bpf_insn move(unsigned to, unsigned from) {
    return code(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0);
}
inline bpf_insn add(unsigned to, int value) {
    return code(BPF_ALU64 | BPF_ADD | BPF_K, to, 0, 0, value);
}
inline bpf_insn load(unsigned size, unsigned to, unsigned from, int offset) {
    return code(BPF_LDX | BPF_MEM | size, to, from, offset, 0);
}
inline bpf_insn store(unsigned size, unsigned to, int offset, unsigned from) {
    return code(BPF_STX | BPF_MEM | size, to, from, offset, 0);
}
// The address of a map, in two instructions.
inline void append_map(Program& to, unsigned reg, int map) {
    to.push_back(code(BPF_LD | BPF_DW | BPF_IMM, reg, BPF_PSEUDO_MAP_FD, 0, map));
    to.push_back(code(0, 0, 0, 0, 0));
}

}  // namespace pmos::bpf
