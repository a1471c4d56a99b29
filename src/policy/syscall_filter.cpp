// policy: system call rules to a classic BPF program. Pure: never loads one.
//
// A filter is a binary tree over ranges of numbers with equal treatment. The kernel runs a filter
// once per number at load time and caches those that are allowed whatever their arguments
// (seccomp's action cache, Linux 5.11), so the order of hot calls costs nothing; the tree keeps
// the rest, and older kernels, at about eight comparisons.
#include "policy/syscall_filter.h"

#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

namespace pmos::policy {
namespace {

constexpr std::uint32_t kOffNr = 0, kOffArch = 4, kOffArgs = 16;
constexpr std::uint64_t kLow32 = 0xffffffff;

BpfInstruction load(std::uint32_t offset) { return {BPF_LD | BPF_W | BPF_ABS, 0, 0, offset}; }
BpfInstruction give(Verdict v) { return {BPF_RET | BPF_K, 0, 0, v.ret}; }
BpfInstruction branch(std::uint16_t op, std::uint32_t k, std::size_t on_true,
                      std::size_t on_false) {
    return {static_cast<std::uint16_t>(BPF_JMP | op | BPF_K), static_cast<std::uint8_t>(on_true),
            static_cast<std::uint8_t>(on_false), k};
}

void append(BpfProgram& to, const BpfProgram& from) {
    to.insert(to.end(), from.begin(), from.end());
}

// A half that the mask leaves out is not loaded.
BpfProgram masked_code(const ArgTest& t, std::size_t to_fail) {
    const std::uint32_t low = kOffArgs + t.index * 8;
    const std::uint64_t two = t.value_two & t.value;
    BpfProgram code;
    const auto half = [&](std::uint32_t offset, unsigned shift, std::size_t skip) {
        const auto mask = static_cast<std::uint32_t>(t.value >> shift);
        if (mask == 0) return;
        BpfProgram part{load(offset)};
        if (mask != UINT32_MAX) part.push_back({BPF_ALU | BPF_AND | BPF_K, 0, 0, mask});
        part.push_back(branch(BPF_JEQ, static_cast<std::uint32_t>(two >> shift), 0, skip));
        append(part, code);
        code = std::move(part);
    };
    half(low, 0, to_fail);
    half(low + 4, 32, to_fail + code.size());
    return code;
}

// Falls through when the test holds, else jumps `to_fail` instructions past its own end.
BpfProgram test_code(const ArgTest& t, std::size_t to_fail) {
    // Little-endian, as both architectures are: the low half comes first.
    const std::uint32_t low = kOffArgs + t.index * 8, high = low + 4;
    const auto v_low = static_cast<std::uint32_t>(t.value);
    const auto v_high = static_cast<std::uint32_t>(t.value >> 32);
    const std::size_t f = to_fail;
    switch (t.op) {
        case Compare::eq:
            return {load(high), branch(BPF_JEQ, v_high, 0, f + 2), load(low),
                    branch(BPF_JEQ, v_low, 0, f)};
        case Compare::ne:
            return {load(high), branch(BPF_JEQ, v_high, 0, 2), load(low),
                    branch(BPF_JEQ, v_low, f, 0)};
        case Compare::masked_eq:
            return masked_code(t, f);
        case Compare::gt:
        case Compare::ge: {
            const std::uint16_t op = t.op == Compare::gt ? BPF_JGT : BPF_JGE;
            return {load(high), branch(BPF_JGT, v_high, 3, 0), branch(BPF_JEQ, v_high, 0, f + 2),
                    load(low), branch(op, v_low, 0, f)};
        }
        case Compare::lt:
        case Compare::le: {
            const std::uint16_t op = t.op == Compare::lt ? BPF_JGE : BPF_JGT;
            return {load(high), branch(BPF_JGT, v_high, f + 3, 0), branch(BPF_JEQ, v_high, 0, 2),
                    load(low), branch(op, v_low, f, 0)};
        }
    }
    return {};
}

// Code of one rule: its verdict when all tests hold, else on to what follows.
BpfProgram rule_code(const SyscallRule& rule) {
    BpfProgram code{give(rule.verdict)};
    for (auto test = rule.args.rbegin(); test != rule.args.rend(); ++test) {
        BpfProgram head = test_code(*test, code.size());
        append(head, code);
        code = std::move(head);
    }
    return code;
}

// What happens to one number: rules in order, the last one without tests.
BpfProgram syscall_code(const std::vector<SyscallRule>& rules, Verdict otherwise) {
    BpfProgram code;
    for (const SyscallRule& rule : rules) {
        append(code, rule_code(rule));
        if (rule.args.empty()) return code;
    }
    code.push_back(give(otherwise));
    return code;
}

struct Range {
    std::uint32_t first = 0;
    BpfProgram code;
};

bool same_code(const BpfProgram& a, const BpfProgram& b) {
    return a.size() == b.size() &&
           std::memcmp(a.data(), b.data(), a.size() * sizeof(BpfInstruction)) == 0;
}

BpfProgram tree(std::span<const Range> ranges) {
    if (ranges.size() == 1) return ranges.front().code;
    const std::size_t middle = ranges.size() / 2;
    const BpfProgram below = tree(ranges.first(middle));
    const BpfProgram above = tree(ranges.subspan(middle));
    BpfProgram code;
    // A conditional jump reaches 255 instructions; beyond it takes an unconditional one.
    if (below.size() <= 255) {
        code.push_back(branch(BPF_JGE, ranges[middle].first, below.size(), 0));
    } else {
        code.push_back(branch(BPF_JGE, ranges[middle].first, 0, 1));
        code.push_back({BPF_JMP | BPF_JA, 0, 0, static_cast<std::uint32_t>(below.size())});
    }
    append(code, below);
    append(code, above);
    return code;
}

BpfProgram prologue(const Arch& arch) {
    BpfProgram code{load(kOffArch), branch(BPF_JEQ, arch.audit, 1, 0), give(verdict_kill()),
                    load(kOffNr)};
    if (arch.x32) {
        // -1 is what a tracer leaves to skip a call: not x32.
        code.push_back(branch(BPF_JEQ, 0xffffffff, 2, 0));
        code.push_back(branch(BPF_JGE, 0x40000000, 0, 1));
        code.push_back(give(verdict_kill()));
    }
    return code;
}

ArgTest low_bits(std::uint32_t index, std::uint64_t value, std::uint64_t mask = kLow32) {
    return {index, Compare::masked_eq, mask, value};
}

bool holds(const ArgTest& t, std::uint64_t value) {
    switch (t.op) {
        case Compare::ne:
            return value != t.value;
        case Compare::lt:
            return value < t.value;
        case Compare::le:
            return value <= t.value;
        case Compare::eq:
            return value == t.value;
        case Compare::ge:
            return value >= t.value;
        case Compare::gt:
            return value > t.value;
        case Compare::masked_eq:
            return (value & t.value) == (t.value_two & t.value);
    }
    return false;
}

}  // namespace

bool holds(const SyscallRule& rule, const SyscallData& data) {
    return std::ranges::all_of(rule.args,
                               [&](const ArgTest& t) { return holds(t, data.args[t.index]); });
}

Verdict verdict_allow() { return {SECCOMP_RET_ALLOW}; }
Verdict verdict_kill() { return {SECCOMP_RET_KILL_PROCESS}; }
Verdict verdict_errno(std::uint32_t error) {
    return {SECCOMP_RET_ERRNO | (error & SECCOMP_RET_DATA)};
}

std::vector<SyscallRule> guard_rules() {
    constexpr std::uint64_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
                                          CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
                                          CLONE_NEWNET;
    // _IOWR('d', 0xad, struct drm_mode_fb_cmd) and _IOWR('d', 0xce, struct drm_mode_fb_cmd2):
    // framebuffers are no lease objects, a lessee could map another's (a lease revoked or not).
    constexpr std::uint64_t kGetFb = 0xc01c64ad, kGetFb2 = 0xc06864ce;
    // What these make has no device's number (include/uapi/linux/iio/): a switch could not take it.
    constexpr std::uint64_t kIioEvents = 0x80046990, kIioBuffer = 0xc0046991;
    constexpr std::uint64_t kAtEmptyPath = 0x1000, kTioclinux = 0x541c;
    const Verdict eperm = verdict_errno(EPERM), allow = verdict_allow();
    const Verdict family = verdict_errno(EAFNOSUPPORT);
    std::vector<SyscallRule> rules;
    rules.push_back({{"clone3"}, {}, verdict_errno(ENOSYS)});
    for (std::uint64_t bit = 1; bit <= kNamespaces; bit <<= 1)
        if ((kNamespaces & bit) != 0) rules.push_back({{"clone"}, {low_bits(0, bit, bit)}, eperm});
    // CLONE_NEWTIME is for unshare only: in clone's flags that bit is part of the exit signal.
    for (std::uint64_t bit = 1; bit <= kNamespaces; bit <<= 1)
        if (((kNamespaces | CLONE_NEWTIME) & bit) != 0)
            rules.push_back({{"unshare"}, {low_bits(0, bit, bit)}, eperm});
    rules.push_back({{"setns"}, {}, eperm});
    // The kernel looks at 32 bits of a request and ignores the rest (CVE-2019-10063).
    for (const std::uint64_t request :
         {std::uint64_t{TIOCSTI}, kTioclinux, kGetFb, kGetFb2, kIioEvents, kIioBuffer})
        rules.push_back({{"ioctl"}, {low_bits(1, request)}, eperm});
    rules.push_back({{"personality"}, {low_bits(0, 0)}, {}});
    rules.push_back({{"personality"}, {low_bits(0, kLow32)}, {}});
    rules.push_back({{"personality"}, {}, eperm});
    rules.push_back({{"execveat"}, {low_bits(4, kAtEmptyPath)}, allow});
    rules.push_back({{"execveat"}, {}, eperm});
    for (const std::uint64_t domain : {AF_UNIX, AF_INET, AF_INET6})
        rules.push_back({{"socket"}, {low_bits(0, domain)}, {}});
    // Of netlink only NETLINK_ROUTE (0): libc asks it for interfaces and addresses.
    rules.push_back({{"socket"}, {low_bits(0, AF_NETLINK), low_bits(2, 0)}, {}});
    rules.push_back({{"socket"}, {}, family});
    rules.push_back({{"socketpair"}, {low_bits(0, AF_UNIX)}, {}});
    rules.push_back({{"socketpair"}, {}, family});
    // At 0 a process would be dumped into a piped core_pattern; who asks for it wants the opposite,
    // and takes this answer for a kernel that has no such limit.
    rules.push_back({{"setrlimit"}, {low_bits(0, RLIMIT_CORE)}, verdict_errno(EINVAL)});
    rules.push_back(
        {{"prlimit64"}, {low_bits(1, RLIMIT_CORE), {2, Compare::ne, 0, 0}}, verdict_errno(EINVAL)});
    return rules;
}

namespace {

Verdict asked(Verdict verdict, Ask ask) {
    const bool refuses = (verdict.ret & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO;
    if (ask == Ask::nothing || !refuses || verdict == verdict_errno(ENOSYS)) return verdict;
    return {SECCOMP_RET_USER_NOTIF};
}

std::set<std::string> judged_by_arguments(const std::vector<SyscallRule>& rules) {
    std::set<std::string> names;
    for (const auto& rule : rules)
        if (!rule.args.empty()) names.insert(rule.names.begin(), rule.names.end());
    return names;
}

}  // namespace

BpfProgram compile_seccomp(const SeccompPolicy& policy, const Arch& arch, Ask ask) {
    const Verdict enosys = verdict_errno(ENOSYS), eperm = verdict_errno(EPERM);
    const std::string ours(startup_syscalls());
    const auto startup = expand_syscalls(std::span(&ours, 1));
    auto judged = judged_by_arguments(policy.rules);
    judged.merge(judged_by_arguments(guard_rules()));
    const auto ask_of = [&](const std::string& name) {
        return ask == Ask::arguments && !judged.contains(name) ? Ask::nothing : ask;
    };
    std::map<std::uint32_t, std::vector<SyscallRule>> rules_of;
    const auto index = [&](const std::vector<SyscallRule>& rules, bool guards) {
        for (const auto& rule : rules)
            for (const auto& name : rule.names)
                if (const auto nr = syscall_number(arch, name)) {
                    auto& one = rules_of[*nr].emplace_back(rule);
                    // A guard stops none of ours, or nothing would ever start.
                    if (guards || !startup.contains(name))
                        one.verdict = asked(rule.verdict, ask_of(name));
                }
    };
    index(policy.rules, false);
    index(guard_rules(), true);
    std::set<std::uint32_t> allowed;
    for (const auto& name : policy.allow)
        if (const auto nr = syscall_number(arch, name)) allowed.insert(*nr);

    std::vector<Range> ranges;
    const auto add = [&](std::uint32_t first, BpfProgram code) {
        if (ranges.empty() || !same_code(ranges.back().code, code))
            ranges.push_back({first, std::move(code)});
    };
    for (std::uint32_t nr = 0; nr <= arch.newest; ++nr) {
        const bool hole = nr >= arch.hole_first && nr <= arch.hole_last;
        const auto rules = rules_of.find(nr);
        const Ask asks = ask_of(syscall_name(arch, nr));
        const Verdict otherwise = hole                   ? enosys
                                  : allowed.contains(nr) ? verdict_allow()
                                                         : asked(eperm, asks);
        if (rules == rules_of.end()) {
            add(nr, {give(otherwise)});
            continue;
        }
        // A guard whose verdict is zero leaves the decision to the allow list.
        for (auto& rule : rules->second)
            if (rule.verdict.ret == 0) rule.verdict = otherwise;
        add(nr, syscall_code(rules->second, otherwise));
    }
    add(arch.newest + 1, {give(enosys)});
    BpfProgram program = prologue(arch);
    append(program, tree(ranges));
    return program;
}

std::vector<std::uint8_t> to_bytes(const BpfProgram& program) {
    static_assert(sizeof(BpfInstruction) == sizeof(sock_filter));
    std::vector<std::uint8_t> bytes(program.size() * sizeof(BpfInstruction));
    if (!bytes.empty()) std::memcpy(bytes.data(), program.data(), bytes.size());
    return bytes;
}

BpfProgram from_bytes(const std::vector<std::uint8_t>& bytes) {
    BpfProgram program(bytes.size() / sizeof(BpfInstruction));
    if (!program.empty())
        std::memcpy(program.data(), bytes.data(), program.size() * sizeof(BpfInstruction));
    return program;
}

}  // namespace pmos::policy
