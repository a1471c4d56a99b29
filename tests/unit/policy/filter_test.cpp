// tests: system call and device filters as functions; tables of (call, arguments, verdict).
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>

#include "policy/device_filter.h"
#include "policy/syscall_filter.h"
#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

const Arch& x86() { return *find_arch("x86_64"); }
const Arch& arm() { return *find_arch("aarch64"); }

BpfProgram shipped_filter(const std::string& mode, const Arch& arch) {
    const auto set = shipped_policy();
    auto facts = fixed_facts();
    facts.arch = arch.name;
    const auto compiled = compile(*find_mode(set, mode).profile, facts);
    REQUIRE(compiled.plan.has_value());
    return from_bytes(compiled.plan->seccomp);
}

std::string verdict(const BpfProgram& program, const Arch& arch, std::string_view name,
                    std::initializer_list<std::uint64_t> args = {}) {
    const auto nr = syscall_number(arch, name);
    INFO("system call " << name << " on " << arch.name);
    REQUIRE(nr.has_value());
    SyscallData data;
    data.nr = *nr;
    data.arch = arch.audit;
    std::copy(args.begin(), args.end(), data.args);
    return verdict_text(evaluate(program, data));
}

std::string raw_verdict(const BpfProgram& program, std::uint32_t audit, std::uint32_t nr) {
    SyscallData data;
    data.nr = nr;
    data.arch = audit;
    return verdict_text(evaluate(program, data));
}

constexpr std::uint64_t kHigh = 0xdeadbeef00000000;

struct Row {
    std::string_view name;
    std::initializer_list<std::uint64_t> args;
    std::string_view verdict;
};

// What holds in both shipped modes on both architectures.
const Row kShipped[] = {
    {"read", {}, "allow"},
    {"execve", {}, "allow"},
    {"exit_group", {}, "allow"},
    {"rseq", {}, "allow"},
    {"close_range", {}, "allow"},
    {"prlimit64", {}, "allow"},
    {"wait4", {}, "allow"},
    {"openat", {}, "allow"},
    {"openat2", {}, "allow"},
    {"statx", {}, "allow"},
    {"ptrace", {}, "errno 1"},
    {"mount", {}, "errno 1"},
    {"fsopen", {}, "errno 1"},
    {"keyctl", {}, "errno 1"},
    {"add_key", {}, "errno 1"},
    {"bpf", {}, "errno 1"},
    {"init_module", {}, "errno 1"},
    {"kexec_load", {}, "errno 1"},
    {"perf_event_open", {}, "errno 1"},
    {"io_uring_setup", {}, "errno 1"},
    {"userfaultfd", {}, "errno 1"},
    {"open_by_handle_at", {}, "errno 1"},
    {"chroot", {}, "errno 1"},
    {"clone3", {}, "errno 38"},
    {"setns", {}, "errno 1"},
    {"unshare", {0x10000000}, "errno 1"},
    {"unshare", {0x80}, "errno 1"},
    {"unshare", {kHigh | 0x00020000}, "errno 1"},
    // clone: SIGCHLD, a thread, then each namespace, also behind high bits.
    {"clone", {17}, "allow"},
    {"clone", {0x003d0f00}, "allow"},
    {"clone", {17 | 0x00020000}, "errno 1"},
    {"clone", {17 | 0x02000000}, "errno 1"},
    {"clone", {17 | 0x04000000}, "errno 1"},
    {"clone", {17 | 0x08000000}, "errno 1"},
    {"clone", {17 | 0x10000000}, "errno 1"},
    {"clone", {17 | 0x20000000}, "errno 1"},
    {"clone", {17 | 0x40000000}, "errno 1"},
    {"clone", {kHigh | 0x10000000}, "errno 1"},
    // ioctl: TCGETS, then what is refused, with and without high bits (CVE-2019-10063).
    {"ioctl", {0, 0x5401}, "allow"},
    {"ioctl", {0, 0x5412}, "errno 1"},
    {"ioctl", {0, kHigh | 0x5412}, "errno 1"},
    {"ioctl", {0, 0x541c}, "errno 1"},
    {"ioctl", {0, 0xc01c64ad}, "errno 1"},
    {"ioctl", {0, kHigh | 0xc01c64ad}, "errno 1"},
    {"ioctl", {0, 0xc06864ce}, "errno 1"},
    {"ioctl", {0, 0xffffffffc06864ce}, "errno 1"},
    {"ioctl", {0, 0xc02064b2}, "allow"},  // DRM_IOCTL_MODE_CREATE_DUMB
    {"ioctl", {0x5412, 0x5401, 0x5412}, "allow"},
    // RLIMIT_CORE is 4 and stays 1; it can be read, and others be set.
    {"prlimit64", {0, 4, 0x7fff1000, 0}, "errno 22"},
    {"prlimit64", {0, kHigh | 4, 0x7fff00000000, 0x7fff1000}, "errno 22"},
    {"prlimit64", {0, 4, 0, 0x7fff1000}, "allow"},
    {"prlimit64", {0, 7, 0x7fff1000, 0}, "allow"},
    {"personality", {0}, "allow"},
    {"personality", {0xffffffff}, "allow"},
    {"personality", {0x0040000}, "errno 1"},  // ADDR_NO_RANDOMIZE
    {"personality", {kHigh | 0x0008}, "errno 1"},
    // Families: unix, inet, inet6, netlink route; then netlink audit, packet, alg, vsock.
    {"socket", {1, 1, 0}, "allow"},
    {"socket", {2, 1, 0}, "allow"},
    {"socket", {10, 2, 0}, "allow"},
    {"socket", {16, 3, 0}, "allow"},
    {"socket", {16, 3, 9}, "errno 97"},
    {"socket", {16, 3, kHigh | 9}, "errno 97"},
    {"socket", {17, 3, 0}, "errno 97"},
    {"socket", {38, 5, 0}, "errno 97"},
    {"socket", {40, 1, 0}, "errno 97"},
    {"socket", {kHigh | 40, 1, 0}, "errno 97"},
    {"socketpair", {1, 1, 0}, "allow"},
    {"socketpair", {16, 1, 0}, "errno 97"},
    // The launcher's way in: AT_EMPTY_PATH and nothing else.
    {"execveat", {3, 0, 0, 0, 0x1000}, "allow"},
    {"execveat", {3, 0, 0, 0, 0}, "errno 1"},
    {"execveat", {3, 0, 0, 0, 0x1100}, "errno 1"},
};

}  // namespace

TEST_CASE("a recording asks about refusals, but for those that a start makes with nobody there") {
    SeccompPolicy policy;
    policy.allow = {"read", "prctl", "clone", "getpid"};
    policy.rules = {{{"prctl", "getpid"}, {}, verdict_errno(EACCES)},
                    {{"clone"}, {{0, Compare::eq, 0x4000, 0}}, verdict_errno(EACCES)}};
    const auto program = compile_seccomp(policy, x86(), Ask::refusals);
    CHECK(verdict(program, x86(), "prctl") == "errno 13");
    CHECK(verdict(program, x86(), "clone", {0x4000}) == "errno 13");
    CHECK(verdict(program, x86(), "clone", {0x10000000}) == "ask");  // a guard
    CHECK(verdict(program, x86(), "clone", {17}) == "allow");
    CHECK(verdict(program, x86(), "getpid") == "ask");
    CHECK(verdict(program, x86(), "write") == "ask");  // not in the list
    CHECK(verdict(program, x86(), "clone3") == "errno 38");
}

TEST_CASE("the shipped filters, call by call, on both architectures") {
    for (const std::string mode : {"personal", "secure"}) {
        for (const Arch* arch : {&x86(), &arm()}) {
            const auto program = shipped_filter(mode, *arch);
            CHECK(program.size() < 1000);
            for (const auto& row : kShipped) {
                INFO(mode << " " << arch->name << " " << row.name << " "
                          << (row.args.size() > 1   ? row.args.begin()[1]
                              : row.args.size() > 0 ? row.args.begin()[0]
                                                    : 0));
                CHECK(verdict(program, *arch, row.name, row.args) == row.verdict);
            }
        }
    }
}

TEST_CASE("foreign architectures and x32 are killed, unknown numbers are not there") {
    const auto program = shipped_filter("secure", x86());
    CHECK(raw_verdict(program, AUDIT_ARCH_I386, 3) == "kill");
    CHECK(raw_verdict(program, AUDIT_ARCH_AARCH64, 63) == "kill");
    CHECK(raw_verdict(program, AUDIT_ARCH_X86_64, 0x40000000) == "kill");
    CHECK(raw_verdict(program, AUDIT_ARCH_X86_64, 0x40000000 | 520) == "kill");
    CHECK(raw_verdict(program, AUDIT_ARCH_X86_64, 0xfffffffe) == "kill");
    CHECK(raw_verdict(program, AUDIT_ARCH_X86_64, 0xffffffff) == "errno 38");
    CHECK(raw_verdict(program, AUDIT_ARCH_X86_64, 450) == "allow");  // set_mempolicy_home_node
    CHECK(raw_verdict(program, AUDIT_ARCH_X86_64, 451) == "errno 38");
    CHECK(raw_verdict(program, AUDIT_ARCH_X86_64, 1000) == "errno 38");
    CHECK(raw_verdict(program, AUDIT_ARCH_X86_64, 400) == "errno 38");  // in the gap
    CHECK(raw_verdict(program, AUDIT_ARCH_X86_64, 334) == "allow");     // rseq, below the gap
    CHECK(raw_verdict(program, AUDIT_ARCH_X86_64, 424) == "allow");     // above it
    const auto on_arm = shipped_filter("secure", arm());
    CHECK(raw_verdict(on_arm, AUDIT_ARCH_X86_64, 0) == "kill");
    CHECK(raw_verdict(on_arm, AUDIT_ARCH_ARM, 3) == "kill");
    CHECK(raw_verdict(on_arm, AUDIT_ARCH_AARCH64, 0x40000000) == "errno 38");
    CHECK(raw_verdict(on_arm, AUDIT_ARCH_AARCH64, 300) == "errno 38");
}

TEST_CASE("libseccomp agrees on every number of a plain allow list") {
    const std::vector<std::string> entries{"@system-service"};
    const auto names = expand_syscalls(entries);
    const auto ours = compile_seccomp({names, {}}, x86());
    std::set<std::string> guarded;
    for (const auto& rule : guard_rules()) guarded.insert(rule.names.begin(), rule.names.end());

    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(1));
    REQUIRE(ctx != nullptr);
    REQUIRE(seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0);
    if (seccomp_arch_native() != SCMP_ARCH_X86_64) {
        REQUIRE(seccomp_arch_add(ctx, SCMP_ARCH_X86_64) == 0);
        REQUIRE(seccomp_arch_remove(ctx, SCMP_ARCH_NATIVE) == 0);
    }
    for (const auto& name : names) {
        const int nr = seccomp_syscall_resolve_name(name.c_str());
        INFO(name);
        CHECK(nr != __NR_SCMP_ERROR);
        CHECK(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0) == 0);
    }
    const int fd = memfd_create("filter", MFD_CLOEXEC);
    REQUIRE(fd >= 0);
    REQUIRE(seccomp_export_bpf(ctx, fd) == 0);
    seccomp_release(ctx);
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(lseek(fd, 0, SEEK_END)));
    REQUIRE(pread(fd, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
    close(fd);
    const auto theirs = from_bytes(bytes);

    unsigned compared = 0;
    for (std::uint32_t nr = 0; nr <= x86().newest; ++nr) {
        const auto name = syscall_name(x86(), nr);
        if (name.empty() || guarded.contains(name)) continue;
        INFO(name);
        CHECK(raw_verdict(ours, AUDIT_ARCH_X86_64, nr) ==
              raw_verdict(theirs, AUDIT_ARCH_X86_64, nr));
        ++compared;
    }
    CHECK(compared > 300);
}

TEST_CASE("every comparison looks at all 64 bits") {
    struct Sample {
        Compare op;
        std::uint64_t value, two, argument;
        bool holds;
    };
    constexpr std::uint64_t kV = 0x0000000500000007;
    const Sample samples[] = {
        {Compare::eq, kV, 0, kV, true},
        {Compare::eq, kV, 0, 7, false},
        {Compare::eq, 7, 0, kV, false},
        {Compare::ne, kV, 0, kV, false},
        {Compare::ne, kV, 0, 7, true},
        {Compare::ne, kV, 0, kV + 1, true},
        {Compare::lt, kV, 0, kV - 1, true},
        {Compare::lt, kV, 0, kV, false},
        {Compare::lt, kV, 0, 0x00000004ffffffff, true},
        {Compare::lt, kV, 0, 0x0000000600000000, false},
        {Compare::le, kV, 0, kV, true},
        {Compare::le, kV, 0, kV + 1, false},
        {Compare::le, kV, 0, 0xffffffff, true},
        {Compare::le, kV, 0, 0x0000000600000000, false},
        {Compare::gt, kV, 0, kV, false},
        {Compare::gt, kV, 0, kV + 1, true},
        {Compare::gt, kV, 0, 0x0000000600000000, true},
        {Compare::gt, kV, 0, 0x00000004ffffffff, false},
        {Compare::ge, kV, 0, kV, true},
        {Compare::ge, kV, 0, kV - 1, false},
        {Compare::ge, kV, 0, 0x0000000600000000, true},
        {Compare::masked_eq, 0xf, 7, 0xabcdef17, true},
        {Compare::masked_eq, 0xf, 7, 0xabcdef18, false},
        {Compare::masked_eq, 0xff00000000, 0x500000000, kV, true},
        {Compare::masked_eq, 0xff00000000, 0x500000000, 7, false},
        {Compare::masked_eq, 0xff000000ff, 0x500000007, kV, true},
        {Compare::masked_eq, 0xff000000ff, 0x500000007, kV + 1, false},
        {Compare::masked_eq, 0xff000000ff, 0x500000007, 7, false},
    };
    for (const auto& s : samples) {
        for (std::uint32_t index = 0; index < 6; ++index) {
            SeccompPolicy policy;
            policy.rules.push_back({{"read"}, {{index, s.op, s.value, s.two}}, verdict_errno(5)});
            policy.allow = {"read"};
            const auto program = compile_seccomp(policy, x86());
            SyscallData data;
            data.arch = x86().audit;
            data.args[index] = s.argument;
            INFO("op " << int(s.op) << " value " << s.value << " argument " << s.argument);
            CHECK(verdict_text(evaluate(program, data)) == (s.holds ? "errno 5" : "allow"));
        }
    }
}

TEST_CASE("rules of the profile come first, in order, and all tests must hold") {
    SeccompPolicy policy;
    policy.allow = {"write"};
    policy.rules = {{{"write"}, {{0, Compare::eq, 1, 0}, {2, Compare::gt, 100, 0}}, verdict_kill()},
                    {{"write"}, {{0, Compare::eq, 1, 0}}, verdict_errno(9)},
                    {{"unshare"}, {}, verdict_allow()}};
    const auto program = compile_seccomp(policy, x86());
    CHECK(verdict(program, x86(), "write", {1, 0, 101}) == "kill");
    CHECK(verdict(program, x86(), "write", {1, 0, 100}) == "errno 9");
    CHECK(verdict(program, x86(), "write", {2, 0, 101}) == "allow");
    CHECK(verdict(program, x86(), "unshare", {0x10000000}) == "allow");
    CHECK(verdict(program, x86(), "setns") == "errno 1");
}

TEST_CASE("a tree with far jumps still decides rightly") {
    SeccompPolicy policy;
    std::vector<std::string> names;
    for (std::uint32_t nr = 0; nr <= 334; ++nr)
        if (auto name = syscall_name(x86(), nr); !name.empty()) names.push_back(name);
    for (std::size_t i = 0; i < names.size(); i += 2)
        policy.rules.push_back({{names[i]},
                                {{0, Compare::eq, i, 0}, {1, Compare::lt, i, 0}},
                                verdict_errno(static_cast<std::uint32_t>(i % 100 + 1))});
    const auto program = compile_seccomp(policy, x86());
    CHECK(program.size() > 1000);
    CHECK(program.size() < 4096);
    for (std::size_t i = 2; i < names.size(); i += 2) {
        INFO(names[i]);
        CHECK(verdict(program, x86(), names[i], {i, i - 1}) ==
              "errno " + std::to_string(i % 100 + 1));
    }
}

TEST_CASE("a broken program is a kill, never a crash") {
    const SyscallData data;
    CHECK(evaluate({}, data) == SECCOMP_RET_KILL_PROCESS);
    CHECK(evaluate({{0x20, 0, 0, 0xfffffffc}}, data) == SECCOMP_RET_KILL_PROCESS);
    CHECK(evaluate({{0x05, 0, 0, 0xffffffff}}, data) == SECCOMP_RET_KILL_PROCESS);
    CHECK(evaluate({{0xff, 0, 0, 0}}, data) == SECCOMP_RET_KILL_PROCESS);
}

TEST_CASE("groups hold known calls only, and the sets that matter stay apart") {
    for (const auto& group : syscall_groups()) {
        const std::vector<std::string> entry{std::string(group.name)};
        for (const auto& name : expand_syscalls(entry)) {
            INFO(group.name << ": " << name);
            CHECK(is_syscall(name));
        }
    }
    const std::vector<std::string> service{"@system-service"}, bad{"@privileged", "@io-uring"};
    const auto all = expand_syscalls(service);
    for (const auto& name : expand_syscalls(bad)) {
        INFO(name);
        CHECK_FALSE(all.contains(name));
    }
}

TEST_CASE("device filter: base nodes, the granted node, nothing else") {
    using image::NodeType;
    const auto set = shipped_policy();
    const auto filter = [&](const std::string& mode) {
        const auto compiled = compile(*find_mode(set, mode).profile, fixed_facts());
        REQUIRE(compiled.plan.has_value());
        return device_filter_from_bytes(compiled.plan->device_filter);
    };
    const auto personal = filter("personal"), secure = filter("secure");
    constexpr auto kChar = NodeType::character, kBlock = NodeType::block;
    constexpr std::uint32_t kRw = device_read | device_write;
    struct Node {
        NodeType type;
        std::uint32_t major, minor, access;
        bool personal, secure;
    };
    const Node rows[] = {
        {kChar, 1, 3, kRw, true, true},
        {kChar, 1, 5, device_read, true, true},
        {kChar, 1, 9, device_write, true, true},
        {kChar, 5, 0, kRw, true, true},
        {kChar, 5, 2, kRw, true, true},
        {kChar, 136, 0, kRw, true, true},
        {kChar, 136, 1048575, kRw, true, true},
        {kChar, 226, 128, kRw, true, false},         // render node
        {kChar, 226, 0, device_read, false, false},  // card0
        {kChar, 4, 66, kRw, false, false},           // modem: by its broker
        {kChar, 4, 65, kRw, false, false},
        {kChar, 1, 1, device_read, false, false},  // mem
        {kChar, 1, 11, kRw, false, false},         // kmsg
        {kChar, 5, 1, kRw, false, false},          // console
        {kChar, 10, 229, kRw, false, false},       // fuse
        {kBlock, 1, 3, kRw, false, false},         // another type, same numbers
        {kBlock, 254, 0, device_read, false, false},
        {kChar, 1, 3, device_mknod, false, false},
        {kChar, 1, 3, device_mknod | kRw, false, false},
        {kChar, 226, 128, device_mknod, false, false},
        {kChar, 0xffffffff, 0xffffffff, kRw, false, false},
    };
    for (const auto& row : rows) {
        INFO(row.major << ":" << row.minor << " access " << row.access);
        CHECK(evaluate_device(personal, row.type, row.major, row.minor, row.access) ==
              row.personal);
        CHECK(evaluate_device(secure, row.type, row.major, row.minor, row.access) == row.secure);
    }
    CHECK_FALSE(evaluate_device({}, kChar, 1, 3, device_read));
}
