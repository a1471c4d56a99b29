// tests: the filters of containers as functions; tables of (architecture, call, arguments,
// verdict).
#include "runtime/oci/filter.h"

#include <linux/bpf_common.h>
#include <linux/seccomp.h>

#include <set>

#include "policy/diagnostic.h"
#include "runtime/oci/newer_calls.h"
#include "support.h"

using namespace pmos;
using namespace pmos::oci;
using namespace pmos::oci::test;

namespace {

constexpr std::uint64_t kHigh = 0xdeadbeef00000000;
constexpr std::uint32_t kX32Bit = 0x40000000;

struct Row {
    std::uint32_t token;
    const char* name;
    std::vector<std::uint64_t> args;
    std::string verdict;
};

void check(const BpfProgram& program, const std::vector<Row>& rows) {
    for (const Row& row : rows) {
        INFO(row.name << " of 0x" << std::hex << row.token << ", arguments "
                      << Catch::StringMaker<std::vector<std::uint64_t>>::convert(row.args));
        CHECK(verdict(program, row.token, row.name, row.args) == row.verdict);
    }
}

Seccomp small_policy() {
    Seccomp policy = refusing({
        allow({"read", "write", "exit_group", "mmap2", "mmap", "clone3"}),
        allow({"personality"}, {{0, 0, 0, "EQ"}}),
        allow({"clone"}, {{0, 0x7e020000, 0, "MASKED_EQ"}}),
        rule({"ptrace"}, SeccompAction::error, {}, 3),
    });
    policy.architectures = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86"};
    return policy;
}

}  // namespace

TEST_CASE("a policy of two architectures") {
    check(compiled(small_policy()),
          {
              {SCMP_ARCH_X86_64, "read", {}, "allow"},
              {SCMP_ARCH_X86_64, "mmap", {}, "allow"},
              {SCMP_ARCH_X86_64, "open", {}, "errno 1"},
              {SCMP_ARCH_X86_64, "ptrace", {}, "errno 3"},
              {SCMP_ARCH_X86_64, "personality", {0}, "allow"},
              {SCMP_ARCH_X86_64, "personality", {8}, "errno 1"},
              {SCMP_ARCH_X86_64, "personality", {kHigh}, "errno 1"},
              {SCMP_ARCH_X86_64, "clone", {0x11}, "allow"},
              {SCMP_ARCH_X86_64, "clone", {kHigh | 0x11}, "allow"},
              {SCMP_ARCH_X86_64, "clone", {0x10000000}, "errno 1"},
              {SCMP_ARCH_X86_64, "clone", {kHigh | 0x20000}, "errno 1"},
              {SCMP_ARCH_X86, "read", {}, "allow"},
              {SCMP_ARCH_X86, "mmap2", {}, "allow"},
              {SCMP_ARCH_X86, "open", {}, "errno 1"},
              {SCMP_ARCH_X86, "ptrace", {}, "errno 3"},
              {SCMP_ARCH_X86, "personality", {0}, "allow"},
              // Not listed: what libseccomp calls a bad architecture, and the end of the thread.
              {SCMP_ARCH_X32, "read", {}, "0x0"},
              {SCMP_ARCH_AARCH64, "read", {}, "0x0"},
              {SCMP_ARCH_PPC64LE, "read", {}, "0x0"},
          });
}

TEST_CASE("x32 where it is listed") {
    Seccomp policy = small_policy();
    policy.architectures.emplace_back("SCMP_ARCH_X32");
    const BpfProgram program = compiled(policy);
    check(program, {
                       {SCMP_ARCH_X32, "read", {}, "allow"},
                       {SCMP_ARCH_X32, "open", {}, "errno 1"},
                       {SCMP_ARCH_X86_64, "read", {}, "allow"},
                       {SCMP_ARCH_X86_64, "open", {}, "errno 1"},
                   });
    CHECK(verdict(program, SCMP_ARCH_X32, kX32Bit | 500) == "errno 38");
    CHECK(verdict(program, SCMP_ARCH_X32, kX32Bit | 520) == "errno 1");  // its own execve
    CHECK(verdict(program, SCMP_ARCH_X32, UINT32_MAX) == "errno 1");
    CHECK(verdict(program, SCMP_ARCH_X32, kX32Bit | 434) == "errno 1");
}

TEST_CASE("the native architecture is judged whether it is listed or not") {
    const std::uint32_t native = seccomp_arch_native();
    Seccomp policy = refusing({allow({"read"}), allow({"clone3"})});
    for (const auto& listed : {std::vector<std::string>{}, {"SCMP_ARCH_X86"}}) {
        policy.architectures = listed;
        check(compiled(policy), {{native, "read", {}, "allow"}, {native, "write", {}, "errno 1"}});
    }
}

TEST_CASE("each action and its number") {
    const std::uint32_t native = seccomp_arch_native();
    Seccomp policy = refusing({
        rule({"getpid"}, SeccompAction::kill_process),
        rule({"getppid"}, SeccompAction::kill_thread),
        rule({"gettid"}, SeccompAction::trap),
        rule({"getuid"}, SeccompAction::error),
        rule({"geteuid"}, SeccompAction::error, {}, 0),
        rule({"getgid"}, SeccompAction::trace),
        rule({"getegid"}, SeccompAction::trace, {}, 513),
        rule({"getsid"}, SeccompAction::log),
        rule({"getpgid"}, SeccompAction::notify),
        allow({"clone3"}),
    });
    policy.default_errno_ret = 22;
    check(compiled(policy), {
                                {native, "getpid", {}, "kill"},
                                {native, "getppid", {}, "0x0"},
                                {native, "gettid", {}, "0x30000"},
                                {native, "getuid", {}, "errno 1"},
                                {native, "geteuid", {}, "errno 0"},
                                {native, "getgid", {}, "0x7ff00001"},
                                {native, "getegid", {}, "0x7ff00201"},
                                {native, "getsid", {}, "0x7ffc0000"},
                                {native, "getpgid", {}, "ask"},
                                {native, "clone3", {}, "allow"},
                                {native, "read", {}, "errno 22"},
                            });
}

TEST_CASE("each comparison, on all bits of an argument") {
    constexpr std::uint64_t kValue = 0x1234567800000010, kOne = std::uint64_t{1} << 32;
    struct Case {
        std::string_view op;
        bool below, equal, above;
    };
    for (const Case& c : {Case{"NE", true, false, true}, Case{"LT", true, false, false},
                          Case{"LE", true, true, false}, Case{"EQ", false, true, false},
                          Case{"GE", false, true, true}, Case{"GT", false, false, true}}) {
        const BpfProgram program =
            compiled(refusing({allow({"dup3"}, {{2, kValue, 0, c.op}}), allow({"clone3"})}));
        const auto passes = [&](std::uint64_t value) {
            return verdict(program, seccomp_arch_native(), "dup3", {0, 0, value}) == "allow";
        };
        INFO(c.op);
        for (const std::uint64_t below : {kValue - 1, std::uint64_t{0}, kValue - kOne,
                                          kValue - kOne + 0xff, std::uint64_t{0xffffffff}})
            CHECK(passes(below) == c.below);
        CHECK(passes(kValue) == c.equal);
        for (const std::uint64_t above :
             {kValue + 1, kValue + kOne, ~std::uint64_t{0}, kValue + kOne - 0x10})
            CHECK(passes(above) == c.above);
    }
    const BpfProgram masked = compiled(refusing(
        {allow({"dup3"}, {{2, 0xf0000000f0, 0x3000000050, "MASKED_EQ"}}), allow({"clone3"})}));
    check(masked, {
                      {seccomp_arch_native(), "dup3", {0, 0, 0x3000000050}, "allow"},
                      {seccomp_arch_native(), "dup3", {0, 0, 0xff3fffff0fffff5f}, "errno 1"},
                      {seccomp_arch_native(), "dup3", {0, 0, 0xffffff3fffffff5f}, "allow"},
                      {seccomp_arch_native(), "dup3", {0, 0, 0x50}, "errno 1"},
                      {seccomp_arch_native(), "dup3", {0, 0, 0x3000000000}, "errno 1"},
                  });
}

TEST_CASE("tests of several arguments all hold, several tests of one are rules") {
    const std::uint32_t native = seccomp_arch_native();
    check(compiled(refusing({
              allow({"dup3"}, {{0, 1, 0, "EQ"}, {1, 2, 0, "EQ"}, {2, 3, 0, "NE"}}),
              allow({"socket"}, {{0, 1, 0, "EQ"}, {0, 2, 0, "EQ"}}),
              allow({"clone3"}),
          })),
          {
              {native, "dup3", {1, 2, 0}, "allow"},
              {native, "dup3", {1, 2, 3}, "errno 1"},
              {native, "dup3", {1, 1, 0}, "errno 1"},
              {native, "dup3", {0, 2, 0}, "errno 1"},
              {native, "socket", {1}, "allow"},
              {native, "socket", {2}, "allow"},
              {native, "socket", {3}, "errno 1"},
          });
}

TEST_CASE("the tree of a long policy says what the list of a short one does") {
    const std::uint32_t native = seccomp_arch_native();
    std::set<std::uint32_t> numbers;
    Seccomp policy = refusing({});
    for (const char* name :
         {"read",     "write",   "close",     "fstat",   "lseek",        "mmap",   "mprotect",
          "munmap",   "brk",     "ioctl",     "pread64", "pwrite64",     "readv",  "writev",
          "madvise",  "dup",     "nanosleep", "getpid",  "connect",      "accept", "sendto",
          "recvfrom", "sendmsg", "recvmsg",   "bind",    "listen",       "clone",  "execve",
          "exit",     "wait4",   "kill",      "uname",   "fcntl",        "flock",  "fsync",
          "getcwd",   "chdir",   "fchmod",    "umask",   "gettimeofday", "openat", "statx",
          "rseq"}) {
        const BpfProgram program = compiled(policy);
        for (std::uint32_t nr = 0; nr < 460; ++nr) {
            const bool newer = numbers.empty() ? false : nr > *numbers.rbegin();
            const std::string expected =
                numbers.contains(nr) ? "allow" : (newer ? "errno 38" : "errno 1");
            if (verdict(program, native, nr) != expected) {
                FAIL_CHECK("number " << nr << " of " << numbers.size() << ": "
                                     << verdict(program, native, nr));
            }
        }
        policy.rules.push_back(allow({name}));
        numbers.insert(static_cast<std::uint32_t>(seccomp_syscall_resolve_name(name)));
    }
}

TEST_CASE("names that libseccomp does not know are left out and told once") {
    std::vector<std::string> unknown;
    const auto program = compile_filter(refusing({allow({"read", "no_such_call", "clone3"}),
                                                  allow({"no_such_call", "futex_of_2040"})}),
                                        &unknown);
    REQUIRE(program.has_value());
    CHECK(unknown == std::vector<std::string>{"no_such_call", "futex_of_2040"});
    CHECK(same(*program, compiled(refusing({allow({"read", "clone3"})}))));
}

TEST_CASE("calls newer than the policy are not there") {
    const std::uint32_t native = seccomp_arch_native();
    Seccomp policy = refusing({allow({"read"}), rule({"openat2"}, SeccompAction::error, {}, 13)});
    const auto of = [&](std::uint32_t number) { return verdict(compiled(policy), native, number); };
    CHECK(of(437) == "errno 13");
    CHECK(of(436) == "errno 1");
    CHECK(of(438) == "errno 38");
    CHECK(of(0x3fffffff) == "errno 38");
    for (const auto action :
         {SeccompAction::kill_process, SeccompAction::kill_thread, SeccompAction::trap}) {
        policy.default_action = action;
        CHECK(of(438) == "errno 38");
    }
    policy.default_action = SeccompAction::allow;
    CHECK(of(438) == "allow");
    policy.default_action = SeccompAction::log;
    CHECK(of(438) == "0x7ffc0000");
    policy.default_action = SeccompAction::trace;
    CHECK(of(438) == "0x7ff00001");
    policy.default_action = SeccompAction::notify;
    CHECK(of(438) == "ask");
    // A policy that says so itself needs no head, and one that names nothing has nothing newer.
    policy.default_action = SeccompAction::error;
    const auto with_head = compiled(policy).size();
    policy.default_errno_ret = 38;
    CHECK(compiled(policy).size() < with_head);
    CHECK(of(438) == "errno 38");
    policy.default_errno_ret = 1;
    policy.rules.clear();
    CHECK(of(438) == "errno 1");
}

TEST_CASE("what is newest is said for each architecture") {
    const auto judge = [](std::uint32_t token, std::uint32_t number) {
        // Two that x86 does not have; the second is above all that arm shares with others.
        const Seccomp policy = refusing({allow({"read", "arm_sync_file_range", "set_tls"})});
        BpfProgram program = newer_calls(policy, {SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_ARM,
                                                  SCMP_ARCH_X32, SCMP_ARCH_S390X});
        program.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW});
        return verdict(program, token, number);
    };
    CHECK(judge(SCMP_ARCH_X86_64, 0) == "allow");
    CHECK(judge(SCMP_ARCH_X86_64, 1) == "errno 38");
    CHECK(judge(SCMP_ARCH_X86, 3) == "allow");
    CHECK(judge(SCMP_ARCH_X86, 4) == "errno 38");
    CHECK(judge(SCMP_ARCH_ARM, 341) == "allow");
    CHECK(judge(SCMP_ARCH_ARM, 342) == "errno 38");
    CHECK(judge(SCMP_ARCH_ARM, 0xeffff) == "errno 38");
    CHECK(judge(SCMP_ARCH_ARM, 0xf0002) == "allow");
    CHECK(judge(SCMP_ARCH_X32, kX32Bit) == "allow");
    CHECK(judge(SCMP_ARCH_X32, kX32Bit | 1) == "errno 38");
    // Where a number is unknown to an s390, the kernel leaves 0.
    CHECK(judge(SCMP_ARCH_S390X, 0) == "errno 38");
    CHECK(judge(SCMP_ARCH_S390X, 1) == "allow");
    CHECK(judge(SCMP_ARCH_S390X, 3) == "allow");
    CHECK(judge(SCMP_ARCH_S390X, 4) == "errno 38");
    CHECK(judge(SCMP_ARCH_AARCH64, 4000) == "allow");  // the policy's own part kills it
}

TEST_CASE("what cannot be compiled says at which rule") {
    struct Case {
        SeccompRule rule;
        std::string message;
        Code code = Code::usage;
    };
    const std::string at = "config.json:7:9: rule of the system call filter";
    SeccompRule odd = allow({"dup"});
    odd.action = static_cast<SeccompAction>(77);
    const Case cases[] = {
        {rule({"dup", "socket"}, SeccompAction::error, {{0, 1, 0, "EQ"}}, 5),
         at + " for 'socket': another rule has another action for the same arguments"},
        {allow({"dup"}, {{6, 1, 0, "EQ"}}), at + ": no call has an argument 6"},
        {allow({"dup"}, {{0, 1, 0, "LIKE"}}), at + ": 'LIKE' is no comparison"},
        {rule({"dup"}, SeccompAction::allow, {}, 5), at + ": its action has no errno"},
        {rule({"dup"}, SeccompAction::error, {}, 4096), at + ": errno 4096 is above 4095"},
        {rule({"dup"}, SeccompAction::trace, {}, 65536), at + ": errno 65536 is above 65535"},
        {odd, at + ": its action is none"},
    };
    for (const Case& c : cases) {
        const auto result =
            compile_filter(refusing({allow({"socket"}, {{0, 1, 0, "EQ"}}), c.rule}));
        REQUIRE_FALSE(result.has_value());
        CHECK(result.error().message() == c.message);
        CHECK(result.error().code == c.code);
    }
    Seccomp policy = refusing({});
    policy.default_action = SeccompAction::kill_process;
    policy.default_errno_ret = 1;
    CHECK(compile_filter(policy).error().message() ==
          "default action of the system call filter: its action has no errno");
    policy.default_errno_ret.reset();
    for (const char* name : {"SCMP_ARCH_Z80", "X86", "SCMP_ARCH_", ""}) {
        policy.architectures = {name};
        CHECK(compile_filter(policy).error().message() ==
              "system call filter for '" + std::string(name) +
                  "': libseccomp does not know this architecture");
    }
    policy.architectures = {"SCMP_ARCH_S390X"};
    CHECK(compile_filter(policy).error().message() ==
          "system call filter for 'SCMP_ARCH_S390X': its byte order is not this machine's");
}

TEST_CASE("a filter that the kernel would not take is refused") {
    Seccomp policy = refusing({});
    for (std::uint64_t value = 0; value < 4200; ++value)
        policy.rules.push_back(allow({"socket"}, {{0, value, 0, "EQ"}}));
    const auto result = compile_filter(policy);
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code == Code::unsupported);
}

TEST_CASE("the flags of a filter") {
    constexpr std::uint32_t kKept = SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    Seccomp policy = refusing({allow({"read"})});
    policy.flags = kKept | SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    CHECK(load_flags(policy) == kKept);
    policy.rules.push_back(rule({"mount"}, SeccompAction::notify));
    CHECK(asks_listener(policy));
    CHECK(load_flags(policy) ==
          (kKept | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | SECCOMP_FILTER_FLAG_NEW_LISTENER));
}
