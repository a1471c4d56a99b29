// policy: an interpreter and a disassembler of seccomp's classic BPF, so that a filter is tested
// as a function. Never loads one.
#include <fmt/format.h>
#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstring>

#include "policy/syscall_filter.h"

namespace pmos::policy {
namespace {

constexpr std::size_t kMaxInstructions = 4096;  // BPF_MAXINSNS

bool jump_taken(const BpfInstruction& i, std::uint32_t a) {
    switch (BPF_OP(i.code)) {
        case BPF_JEQ:
            return a == i.k;
        case BPF_JGT:
            return a > i.k;
        case BPF_JGE:
            return a >= i.k;
        default:
            return (a & i.k) != 0;  // BPF_JSET
    }
}

std::string_view jump_name(std::uint16_t code) {
    switch (BPF_OP(code)) {
        case BPF_JEQ:
            return "jeq";
        case BPF_JGT:
            return "jgt";
        case BPF_JGE:
            return "jge";
        default:
            return "jset";
    }
}

std::string field_name(std::uint32_t offset) {
    if (offset == 0) return "nr";
    if (offset == 4) return "arch";
    if (offset >= 16 && offset < 64)
        return fmt::format("arg{}.{}", (offset - 16) / 8, offset % 8 == 0 ? "low" : "high");
    return fmt::format("[{}]", offset);
}

}  // namespace

std::uint32_t evaluate(const BpfProgram& program, const SyscallData& data) {
    static_assert(sizeof(SyscallData) == sizeof(seccomp_data));
    std::uint32_t a = 0;
    for (std::size_t pc = 0; pc < program.size() && program.size() <= kMaxInstructions; ++pc) {
        const BpfInstruction& i = program[pc];
        switch (BPF_CLASS(i.code)) {
            case BPF_LD:
                if (i.code != (BPF_LD | BPF_W | BPF_ABS) || i.k % 4 != 0 ||
                    i.k > sizeof data - sizeof a)
                    return SECCOMP_RET_KILL_PROCESS;
                std::memcpy(&a, reinterpret_cast<const std::byte*>(&data) + i.k, sizeof a);
                break;
            case BPF_ALU:
                if (i.code != (BPF_ALU | BPF_AND | BPF_K)) return SECCOMP_RET_KILL_PROCESS;
                a &= i.k;
                break;
            case BPF_JMP:
                if (BPF_OP(i.code) == BPF_JA)
                    pc += i.k;
                else
                    pc += jump_taken(i, a) ? i.jt : i.jf;
                break;
            case BPF_RET:
                return BPF_RVAL(i.code) == BPF_A ? a : i.k;
            default:
                return SECCOMP_RET_KILL_PROCESS;
        }
    }
    return SECCOMP_RET_KILL_PROCESS;
}

std::string verdict_text(std::uint32_t ret) {
    switch (ret & SECCOMP_RET_ACTION_FULL) {
        case SECCOMP_RET_ALLOW:
            return "allow";
        case SECCOMP_RET_ERRNO:
            return fmt::format("errno {}", ret & SECCOMP_RET_DATA);
        case SECCOMP_RET_KILL_PROCESS:
            return "kill";
        case SECCOMP_RET_USER_NOTIF:
            return "ask";
        default:
            return fmt::format("0x{:x}", ret);
    }
}

std::string disassemble(const BpfProgram& program, const Arch& arch) {
    std::string text;
    for (std::size_t pc = 0; pc < program.size(); ++pc) {
        const BpfInstruction& i = program[pc];
        std::string line;
        switch (BPF_CLASS(i.code)) {
            case BPF_LD:
                line = "load " + field_name(i.k);
                break;
            case BPF_ALU:
                line = fmt::format("and 0x{:x}", i.k);
                break;
            case BPF_JMP:
                if (BPF_OP(i.code) == BPF_JA) {
                    line = fmt::format("jump {}", pc + 1 + i.k);
                } else {
                    line = fmt::format("{} 0x{:x}, {}, {}", jump_name(i.code), i.k, pc + 1 + i.jt,
                                       pc + 1 + i.jf);
                    // In the tree the accumulator still holds the number on every path.
                    const bool tree = BPF_OP(i.code) == BPF_JGE && i.k <= arch.newest;
                    const auto name = tree ? syscall_name(arch, i.k) : std::string();
                    if (!name.empty()) line += "  ; " + name;
                }
                break;
            default:
                line = "return " + verdict_text(i.k);
                break;
        }
        text += fmt::format("{:4}: {}\n", pc, line);
    }
    return text;
}

}  // namespace pmos::policy
