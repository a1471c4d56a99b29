// tests: the kernel takes the shipped filter and answers what the evaluator answers; a shell,
// coreutils and python3 run below it. Needs no root: no_new_privs is enough.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>

#include "policy/syscall_filter.h"
#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

BpfProgram native_filter(const std::string& mode) {
    utsname name{};
    REQUIRE(::uname(&name) == 0);
    auto facts = fixed_facts();
    facts.arch = name.machine;
    const auto compiled = compile(*find_mode(shipped_policy(), mode).profile, facts);
    REQUIRE(compiled.plan.has_value());
    return from_bytes(compiled.plan->seccomp);
}

bool install(const BpfProgram& program) {
    const sock_fprog prog{
        static_cast<unsigned short>(program.size()),
        reinterpret_cast<sock_filter*>(const_cast<BpfInstruction*>(program.data()))};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) == 0;
}

// Runs `body` under the filter in a child; its exit status, or -signal.
template <class Body>
int under(const BpfProgram& program, Body body) {
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) ::_exit(install(program) ? body() : 99);
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int errno_of(long result) { return result < 0 ? errno : 0; }

int refusals() {
    if (errno_of(::syscall(SYS_unshare, CLONE_NEWUSER)) != EPERM) return 1;
    if (errno_of(::syscall(SYS_clone3, nullptr, 0)) != ENOSYS) return 2;
    if (errno_of(::syscall(SYS_clone, CLONE_NEWUSER | 17, 0, 0, 0, 0)) != EPERM) return 3;
    if (errno_of(::syscall(SYS_ioctl, 0, 0x5412, 0)) != EPERM) return 4;
    if (errno_of(::syscall(SYS_ioctl, 0, 0xdeadbeef00005412, 0)) != EPERM) return 5;
    if (errno_of(::syscall(SYS_socket, AF_VSOCK, SOCK_STREAM, 0)) != EAFNOSUPPORT) return 6;
    if (errno_of(::syscall(SYS_ptrace, 0, 0, 0, 0)) != EPERM) return 7;
    if (errno_of(::syscall(SYS_keyctl, 0, 0, 0, 0, 0)) != EPERM) return 8;
    if (errno_of(::syscall(1000)) != ENOSYS) return 9;
    if (errno_of(::syscall(-1)) != ENOSYS) return 10;
    if (errno_of(::syscall(SYS_execveat, -1, "", nullptr, nullptr, 0)) != EPERM) return 11;
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && ::close(fd) == 0 ? 0 : 12;
}

}  // namespace

TEST_CASE("the kernel takes the shipped filters and refuses as the table says") {
    for (const std::string mode : {"personal", "secure"}) {
        const auto program = native_filter(mode);
        CHECK(under(program, refusals) == 0);
#ifdef __x86_64__
        CHECK(under(program, [] { return static_cast<int>(::syscall(0x40000000 | 39)); }) ==
              -SIGSYS);
#endif
    }
}

TEST_CASE("a shell, coreutils, grep and threads of python3 run under the shipped filter") {
    const auto program = native_filter("secure");
    // As the launcher does: the program is executed by its descriptor, after the filter.
    const int shell = ::open("/bin/sh", O_PATH | O_CLOEXEC);
    REQUIRE(shell >= 0);
    const char* script =
        "set -e; test \"$(echo one two | grep -c two)\" = 1; ls -l / >/dev/null; date >/dev/null; "
        "sleep 0.01 & wait; python3 -c 'import threading, subprocess, socket\n"
        "t = threading.Thread(target=lambda: subprocess.check_call([\"true\"])); t.start(); "
        "t.join()\nsocket.socket().close()' && exit 42";
    const int status = under(program, [&] {
        const char* const argv[] = {"sh", "-c", script, nullptr};
        const char* const env[] = {"PATH=/usr/bin:/bin", nullptr};
        ::syscall(SYS_execveat, shell, "", argv, env, AT_EMPTY_PATH);
        return 98;
    });
    ::close(shell);
    CHECK(status == 42);
}
