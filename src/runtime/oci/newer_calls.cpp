// oci: the head of a filter, that answers calls newer than its policy. Pure: never loads one.
#include "runtime/oci/newer_calls.h"

#include <linux/audit.h>
#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <ranges>

namespace pmos::oci {
namespace {

using policy::BpfInstruction;
using policy::BpfProgram;

constexpr std::uint32_t kX32Bit = 0x40000000;

// What the kernel tells apart by its own token. x32 has x86_64's, and a bit in its numbers.
struct Ceiling {
    std::uint32_t audit = 0;
    std::optional<std::uint32_t> newest, newest_x32;
    std::uint32_t own = UINT32_MAX;
    bool multiplexed = false;  // 0 is a call whose number the kernel does not know
};

// From where on an architecture has calls of its own, high above those that all have and that grow:
// these say nothing of what is newest. x32's are from 512 on, arm's begin at __ARM_NR_BASE.
std::uint32_t own_calls(std::uint32_t token) {
    if (token == SCMP_ARCH_X32) return kX32Bit | 512;
    if (token == SCMP_ARCH_ARM) return 0xf0000;
    return UINT32_MAX;
}

std::optional<std::uint32_t> newest_named(const policy::oci::Seccomp& policy, std::uint32_t token) {
    int newest = -1;
    for (const auto& rule : policy.rules)
        for (const auto& name : rule.names) {
            // A negative number is libseccomp's, for a call that another architecture has.
            const int call = seccomp_syscall_resolve_name_arch(token, name.c_str());
            if (call > newest && static_cast<std::uint32_t>(call) < own_calls(token)) newest = call;
        }
    if (newest < 0) return std::nullopt;
    return static_cast<std::uint32_t>(newest);
}

std::vector<Ceiling> ceilings(const policy::oci::Seccomp& policy,
                              const std::vector<std::uint32_t>& tokens) {
    std::vector<Ceiling> all;
    for (const std::uint32_t token : tokens) {
        const auto newest = newest_named(policy, token);
        if (!newest) continue;
        const std::uint32_t audit = token == SCMP_ARCH_X32 ? AUDIT_ARCH_X86_64 : token;
        auto at = std::ranges::find(all, audit, &Ceiling::audit);
        if (at == all.end())
            at = all.insert(at, Ceiling{.audit = audit, .newest = {}, .newest_x32 = {}});
        (token == SCMP_ARCH_X32 ? at->newest_x32 : at->newest) = newest;
        at->own = std::min(at->own, own_calls(token));
        at->multiplexed = token == SCMP_ARCH_S390 || token == SCMP_ARCH_S390X;
    }
    return all;
}

BpfInstruction branch(std::uint16_t op, std::uint32_t k, std::size_t on_true,
                      std::size_t on_false) {
    return {static_cast<std::uint16_t>(BPF_JMP | op | BPF_K), static_cast<std::uint8_t>(on_true),
            static_cast<std::uint8_t>(on_false), k};
}

// Of one architecture; `after` instructions of others follow before the policy's own.
BpfProgram section(const Ceiling& c, std::size_t after) {
    BpfProgram tests;
    if (c.audit == AUDIT_ARCH_X86_64) {
        // Where x32 is not listed it is left to the policy's own part, which kills it; so is -1,
        // which a tracer leaves to skip a call and which has that bit as well.
        tests = {branch(BPF_JSET, kX32Bit, 1, 0),
                 branch(BPF_JGT, c.newest.value_or(UINT32_MAX), 2, 3),
                 branch(BPF_JGT, c.newest_x32.value_or(UINT32_MAX), 0, 2)};
    } else {
        if (c.multiplexed) tests.push_back(branch(BPF_JEQ, 0, 2, 0));
        tests.push_back(branch(BPF_JGT, c.newest.value_or(UINT32_MAX), 0, 2));
    }
    tests.push_back(branch(BPF_JGE, c.own, 1, 0));
    BpfProgram code{{}, {BPF_LD | BPF_W | BPF_ABS, 0, 0, policy::data_nr}};
    code.insert(code.end(), tests.begin(), tests.end());
    code.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS});
    code.push_back({BPF_JMP | BPF_JA, 0, 0, static_cast<std::uint32_t>(after)});
    code.front() = branch(BPF_JEQ, c.audit, 0, code.size() - 1);
    return code;
}

}  // namespace

BpfProgram newer_calls(const policy::oci::Seccomp& policy,
                       const std::vector<std::uint32_t>& tokens) {
    BpfProgram code;
    const auto all = ceilings(policy, tokens);
    for (const Ceiling& one : std::views::reverse(all)) {
        const BpfProgram head = section(one, code.size());
        code.insert(code.begin(), head.begin(), head.end());
    }
    if (!code.empty())
        code.insert(code.begin(), {BPF_LD | BPF_W | BPF_ABS, 0, 0, policy::data_arch});
    return code;
}

}  // namespace pmos::oci
