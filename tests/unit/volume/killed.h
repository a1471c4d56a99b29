// tests: work in a process of its own that is killed at one of the system calls by which it writes.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstddef>
#include <vector>

namespace pmos::volume {

// How it ended: killed before its n-th write, or by itself before that, well or not.
enum class End { killed, well, failed };

// From here on each of them stops this process, and nothing else does.
inline bool stop_at_writes() {
    std::vector<sock_filter> filter{{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)}};
    for (const long call :
         {SYS_write, SYS_pwrite64, SYS_fsync, SYS_fdatasync, SYS_unlink, SYS_renameat2}) {
        filter.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 1, static_cast<std::uint32_t>(call)});
        filter.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_TRACE});
    }
    filter.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW});
    const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

template <class Work>
End killed_at(int n, const Work& work) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
        ::raise(SIGSTOP);
        ::_exit(stop_at_writes() && work() ? 0 : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    REQUIRE(::ptrace(PTRACE_SETOPTIONS, pid, nullptr, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL) ==
            0);
    for (int writes = 0, signal = 0; writes < n;) {
        ::ptrace(PTRACE_CONT, pid, nullptr, signal);
        REQUIRE(::waitpid(pid, &status, 0) == pid);
        if (WIFEXITED(status)) return WEXITSTATUS(status) == 0 ? End::well : End::failed;
        REQUIRE(WIFSTOPPED(status));
        const bool writing = status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8);
        writes += writing;
        signal = writing ? 0 : WSTOPSIG(status);
    }
    ::kill(pid, SIGKILL);
    ::waitpid(pid, &status, 0);
    return End::killed;
}

}  // namespace pmos::volume
