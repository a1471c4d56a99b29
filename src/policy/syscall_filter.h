// policy: system call rules to a classic BPF program. Pure: never loads one.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "policy/plan_image.h"
#include "policy/syscalls.h"

namespace pmos::policy {

using BpfInstruction = image::Instruction;  // struct sock_filter
using BpfProgram = std::vector<BpfInstruction>;

enum class Compare : std::uint8_t { ne, lt, le, eq, ge, gt, masked_eq };

// A test of one argument, on all of its 64 bits.
struct ArgTest {
    std::uint32_t index = 0;
    Compare op = Compare::eq;
    std::uint64_t value = 0;  // masked_eq: the mask
    std::uint64_t value_two = 0;
};

struct Verdict {
    std::uint32_t ret = 0;  // SECCOMP_RET_*
    friend bool operator==(const Verdict&, const Verdict&) = default;
};
Verdict verdict_allow();
Verdict verdict_kill();
Verdict verdict_errno(std::uint32_t error);

struct SyscallRule {
    std::vector<std::string> names;
    std::vector<ArgTest> args;  // all must hold
    Verdict verdict;
};

struct SeccompPolicy {
    std::set<std::string> allow;     // names, groups already expanded
    std::vector<SyscallRule> rules;  // first match wins, before guards and allow
};

// Rules that hold in every mode unless a rule of the profile decides first: no new namespaces, no
// clone3 (its flags are behind a pointer; libc falls back to clone), no TIOCSTI, no reading of
// foreign framebuffers, no second descriptor of a sensor, only the socket families that namespaces
// cover, only Linux's personality, and execveat for the launcher alone.
std::vector<SyscallRule> guard_rules();

// Which refusals become a question to a listener (SECCOMP_RET_USER_NOTIF) instead. Kills stay, and
// so does ENOSYS, which is what makes a libc fall back; and so do the profile's own rules on
// startup_syscalls(), for nobody listens yet when those are called, and the start would wait.
// `arguments`: only those of calls that a rule or a guard judges by an argument.
enum class Ask : std::uint8_t { nothing, arguments, refusals };

// Order of decision: foreign architecture and x32 are killed, numbers that the table does not know
// get ENOSYS, then the profile's rules, the guards, the allow list; the rest gets EPERM.
BpfProgram compile_seccomp(const SeccompPolicy& policy, const Arch& arch, Ask ask = Ask::nothing);

std::vector<std::uint8_t> to_bytes(const BpfProgram& program);
BpfProgram from_bytes(const std::vector<std::uint8_t>& bytes);

// What a filter sees: struct seccomp_data.
struct SyscallData {
    std::uint32_t nr = 0, arch = 0;
    std::uint64_t instruction_pointer = 0;
    std::uint64_t args[6]{};
};
// Interprets a filter. A program that the kernel would refuse gives SECCOMP_RET_KILL_PROCESS.
std::uint32_t evaluate(const BpfProgram& program, const SyscallData& data);
// What is known of a call: some bits of its struct seccomp_data.
enum DataOffset : std::uint32_t { data_nr = 0, data_arch = 4, data_args = 16 };
struct PartialWord {
    std::uint32_t value = 0, known = 0;  // known: a mask; value is 0 outside of it
    static constexpr PartialWord is(std::uint32_t v) { return {v, UINT32_MAX}; }
    static constexpr PartialWord with(std::uint32_t bits) { return {bits, bits}; }
    friend auto operator<=>(const PartialWord&, const PartialWord&) = default;
};
struct PartialData {
    PartialWord words[16]{};
    void set(std::uint32_t offset, std::uint32_t value, std::uint32_t known = UINT32_MAX) {
        words[offset / 4] = {value & known, known};
    }
};
// Whether some values of what is not known make a filter allow. Never false when they do; may be
// true though they do not, where a filter tests one unknown word twice. No filter allows all.
bool may_allow(const BpfProgram& program, const PartialData& data);
// Whether the tests of a rule hold for these arguments.
bool holds(const SyscallRule& rule, const SyscallData& data);
// One instruction a line; names of system calls where a number is compared.
std::string disassemble(const BpfProgram& program, const Arch& arch);
std::string verdict_text(std::uint32_t ret);  // "allow", "errno 1", "kill", "ask"

}  // namespace pmos::policy
