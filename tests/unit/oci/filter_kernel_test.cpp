// tests: what the kernel does with a compiled filter, beside what the interpreter says of it. Each
// call is made by a process of its own.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "support.h"

using namespace pmos;
using namespace pmos::oci;
using namespace pmos::oci::test;

namespace {

constexpr int kNoFilter = 250;

// Not _exit(): before what does not return ASan calls sigaltstack, and a filter may refuse that.
void leave(long code) { ::syscall(SYS_exit_group, code); }

int load(const BpfProgram& program, std::uint32_t flags) {
    const sock_fprog code{
        static_cast<unsigned short>(program.size()),
        reinterpret_cast<sock_filter*>(const_cast<policy::BpfInstruction*>(program.data()))};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) leave(kNoFilter);
    const long result = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &code);
    if (result < 0) leave(kNoFilter);
    return static_cast<int>(result);
}

// "allow", "errno N", "signal N".
std::string outcome(pid_t child) {
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
    if (WEXITSTATUS(status) == kNoFilter) return "no filter";
    return WEXITSTATUS(status) == 0 ? "allow" : "errno " + std::to_string(WEXITSTATUS(status));
}

template <class Call>
std::string in_child(const BpfProgram& program, std::uint32_t flags, Call call) {
    const pid_t child = ::fork();
    if (child == 0) {
        load(program, flags);
        errno = 0;
        leave(call() < 0 ? errno : 0);
    }
    return outcome(child);
}

struct Row {
    long number;
    std::vector<std::uint64_t> args;
    std::string outcome;
};

std::string said(const BpfProgram& program, const Row& row) {
    const std::string text =
        verdict(program, seccomp_arch_native(), static_cast<std::uint32_t>(row.number), row.args);
    if (text == "kill" || text == "0x0" || text == "0x30000")
        return "signal " + std::to_string(SIGSYS);
    if (text == "0x7ffc0000") return "allow";     // log
    if (text == "0x7ff00001") return "errno 38";  // trace, and no tracer
    return text;
}

constexpr std::uint64_t kHigh = 0xdeadbeef00000000;

}  // namespace

TEST_CASE("the kernel does what the interpreter says") {
    Seccomp policy = refusing({
        allow({"exit_group", "getppid", "openat2"}),
        allow({"personality"}, {{0, 0xffffffff, 0, "EQ"}}),
        allow({"socket"}, {{0, AF_UNIX, 0, "EQ"}, {1, 0xf, SOCK_STREAM, "MASKED_EQ"}}),
        rule({"getuid"}, SeccompAction::error, {}, 77),
        rule({"getgid"}, SeccompAction::kill_process),
        rule({"geteuid"}, SeccompAction::kill_thread),
        rule({"getegid"}, SeccompAction::trap),
        rule({"getsid"}, SeccompAction::log),
        rule({"getpgid"}, SeccompAction::trace),
    });
    policy.flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG |
                   SECCOMP_FILTER_FLAG_SPEC_ALLOW | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    const std::string killed = "signal " + std::to_string(SIGSYS);
    const Row rows[] = {
        {SYS_getppid, {}, "allow"},
        {SYS_getuid, {}, "errno 77"},
        {SYS_getgid, {}, killed},
        {SYS_geteuid, {}, killed},
        {SYS_getegid, {}, killed},
        {SYS_getsid, {}, "allow"},
        {SYS_getpgid, {}, "errno 38"},
        {SYS_chroot, {}, "errno 1"},
        {SYS_personality, {0xffffffff}, "allow"},
        {SYS_personality, {0}, "errno 1"},
        {SYS_personality, {kHigh | 0xffffffff}, "errno 1"},
        {SYS_socket, {AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0}, "allow"},
        {SYS_socket, {AF_UNIX, SOCK_DGRAM, 0}, "errno 1"},
        {SYS_socket, {AF_INET, SOCK_STREAM, 0}, "errno 1"},
        {SYS_pidfd_getfd, {}, "errno 38"},
        {2000, {}, "errno 38"},
#ifdef __x86_64__
        {0x40000000 | SYS_getppid, {}, killed},
#endif
    };
    // Once as a list, once as a tree.
    for (const bool tree : {false, true}) {
        if (tree)
            for (const char* name :
                 {"read",    "write",     "close",   "fstat",    "lseek",  "mmap",     "mprotect",
                  "munmap",  "brk",       "pread64", "pwrite64", "readv",  "writev",   "madvise",
                  "dup",     "nanosleep", "connect", "accept",   "sendto", "recvfrom", "sendmsg",
                  "recvmsg", "bind",      "listen",  "wait4"})
                policy.rules.push_back(allow({name}));
        const BpfProgram program = compiled(policy);
        for (const Row& row : rows) {
            INFO("call " << row.number << (tree ? " of a tree" : ""));
            auto args = row.args;
            args.resize(3);
            CHECK(said(program, row) == row.outcome);
            CHECK(in_child(program, load_flags(policy), [&] {
                      return ::syscall(row.number, args[0], args[1], args[2]);
                  }) == row.outcome);
        }
    }
}

#ifdef __x86_64__
namespace {
// getpid of i386.
long foreign_getpid() {
    long result = 0;
    asm volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
    return result;
}
}  // namespace

TEST_CASE("a call of another architecture") {
    const pid_t child = ::fork();
    if (child == 0) {
        // Where there are none the instruction itself is a fault.
        ::signal(SIGSEGV, SIG_DFL);
        leave(foreign_getpid() > 0 ? 0 : ENOSYS);
    }
    if (outcome(child) != "allow") {
        WARN("skipped: this kernel has no calls of i386");
        return;
    }
    Seccomp policy = refusing({allow({"exit_group", "getpid"})});
    CHECK(in_child(compiled(policy), 0, foreign_getpid) == "signal " + std::to_string(SIGSYS));
    policy.architectures = {"SCMP_ARCH_X86"};
    CHECK(in_child(compiled(policy), 0, foreign_getpid) == "allow");
}
#endif

TEST_CASE("a call that somebody is asked about") {
    Seccomp policy;
    policy.default_action = SeccompAction::allow;
    policy.rules = {rule({"getppid"}, SeccompAction::notify)};
    policy.flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    const BpfProgram program = compiled(policy);
    const pid_t child = ::fork();
    if (child == 0) {
        const int listener = load(program, load_flags(policy));
        const pid_t asker = ::fork();
        if (asker == 0) leave(::syscall(SYS_getppid) < 0 ? errno : 0);
        seccomp_notif question{};
        if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &question) != 0) leave(1);
        seccomp_notif_resp answer{};
        answer.id = question.id;
        answer.error = -77;
        if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) != 0) leave(2);
        int status = 0;
        ::waitpid(asker, &status, 0);
        leave(WEXITSTATUS(status));
    }
    CHECK(outcome(child) == "errno 77");
}
