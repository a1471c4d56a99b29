// network: what a mode's resolver gives up before it reads a byte from anybody.
#include "runtime/network/dns_confine.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <memory>

#include "runtime/sys/process.h"

namespace pmos::network {
namespace {

// A hostile server swells its own resolver at most.
#ifdef __SANITIZE_ADDRESS__
constexpr rlim_t kMostData = RLIM_INFINITY;  // whose map of the memory is larger than any
#else
constexpr rlim_t kMostData = 128U << 20U;
#endif
constexpr rlim_t kMostFiles = 1024, kMostTasks = 64;

bool limit(__rlimit_resource what, rlim_t most) {
    const rlimit value{.rlim_cur = most, .rlim_max = most};
    return ::setrlimit(what, &value) == 0;
}

bool give_up_power() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    const __user_cap_data_struct none[2]{};
    return sys::sys_capset(&header, none) == 0 && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

// Of libunbound, OpenSSL and the C library, with threads and without children.
constexpr int kCalls[] = {SCMP_SYS(accept4),
                          SCMP_SYS(bind),
                          SCMP_SYS(brk),
                          SCMP_SYS(clock_gettime),
                          SCMP_SYS(clock_nanosleep),
                          SCMP_SYS(close),
                          SCMP_SYS(connect),
                          SCMP_SYS(dup),
                          SCMP_SYS(epoll_create1),
                          SCMP_SYS(epoll_ctl),
                          SCMP_SYS(epoll_pwait),
                          SCMP_SYS(epoll_pwait2),
                          SCMP_SYS(epoll_wait),
                          SCMP_SYS(eventfd2),
                          SCMP_SYS(exit),
                          SCMP_SYS(exit_group),
                          SCMP_SYS(faccessat),
                          SCMP_SYS(faccessat2),
                          SCMP_SYS(fcntl),
                          SCMP_SYS(fstat),
                          SCMP_SYS(futex),
                          SCMP_SYS(getdents64),
                          SCMP_SYS(getegid),
                          SCMP_SYS(geteuid),
                          SCMP_SYS(getgid),
                          SCMP_SYS(getpeername),
                          SCMP_SYS(getpid),
                          SCMP_SYS(getrandom),
                          SCMP_SYS(getrusage),
                          SCMP_SYS(getsockname),
                          SCMP_SYS(getsockopt),
                          SCMP_SYS(gettid),
                          SCMP_SYS(gettimeofday),
                          SCMP_SYS(getuid),
                          SCMP_SYS(listen),
                          SCMP_SYS(lseek),
                          SCMP_SYS(madvise),
                          SCMP_SYS(mmap),
                          SCMP_SYS(mprotect),
                          SCMP_SYS(mremap),
                          SCMP_SYS(munmap),
                          SCMP_SYS(nanosleep),
                          SCMP_SYS(newfstatat),
                          SCMP_SYS(pipe2),
                          SCMP_SYS(poll),
                          SCMP_SYS(ppoll),
                          SCMP_SYS(pread64),
                          SCMP_SYS(pselect6),
                          SCMP_SYS(read),
                          SCMP_SYS(readlink),
                          SCMP_SYS(readv),
                          SCMP_SYS(recvfrom),
                          SCMP_SYS(recvmmsg),
                          SCMP_SYS(recvmsg),
                          SCMP_SYS(restart_syscall),
                          SCMP_SYS(rseq),
                          SCMP_SYS(rt_sigaction),
                          SCMP_SYS(rt_sigprocmask),
                          SCMP_SYS(rt_sigreturn),
                          SCMP_SYS(sched_getaffinity),
                          SCMP_SYS(sched_yield),
                          SCMP_SYS(select),
                          SCMP_SYS(sendmmsg),
                          SCMP_SYS(sendmsg),
                          SCMP_SYS(sendto),
                          SCMP_SYS(set_robust_list),
                          SCMP_SYS(setsockopt),
                          SCMP_SYS(shutdown),
                          SCMP_SYS(sigaltstack),
                          SCMP_SYS(statx),
                          SCMP_SYS(sysinfo),
                          SCMP_SYS(time),
                          SCMP_SYS(timerfd_create),
                          SCMP_SYS(timerfd_settime),
                          SCMP_SYS(uname),
                          SCMP_SYS(write),
                          SCMP_SYS(writev)};

Result<> allow_little() {
    const std::unique_ptr<void, void (*)(scmp_filter_ctx)> filter(
        ::seccomp_init(SCMP_ACT_ERRNO(EPERM)), ::seccomp_release);
    if (!filter) return fail(Code::no_space, "cannot make a seccomp filter");
    const auto allow = [&](int call, auto... when) {
        return ::seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, sizeof...(when), when...) ==
               0;
    };
    bool good = true;
    for (const int call : kCalls) good = good && allow(call);
    for (const int family : {AF_INET, AF_INET6})
        good = good &&
               allow(SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(family)));
    for (const unsigned long request : {FIONBIO, FIONREAD, FIOCLEX})
        good = good && allow(SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, request));
    good = good && allow(SCMP_SYS(open), SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT, 0)) &&
           allow(SCMP_SYS(openat), SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT, 0)) &&
           allow(SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    // A datagram socket of the other family could speak to the phone's.
    good = good && allow(SCMP_SYS(socketpair), SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_STREAM));
    // Asked, not set.
    good = good && allow(SCMP_SYS(prlimit64), SCMP_A2(SCMP_CMP_EQ, 0)) &&
           allow(SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
    // Its flags are in memory; the C library then asks in the old way.
    good =
        good && ::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0;
    if (!good) return fail(Code::failed, "cannot fill a seccomp filter");
    if (const int r = ::seccomp_load(filter.get()); r != 0)
        return fail(errno_error(-r, "cannot load a seccomp filter"));
    return {};
}

}  // namespace

Result<> confine_resolver(pid_t parent, uid_t user, gid_t group) {
    if (::setgroups(0, nullptr) != 0 || ::setresgid(group, group, group) != 0 ||
        ::setresuid(user, user, user) != 0)
        return fail(errno_error(errno, "cannot become the resolver's user"));
    // After it: a change of id takes this back.
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent)
        return fail(Code::failed, "pmos-net has gone");
    if (!give_up_power()) return fail(errno_error(errno, "cannot give up power"));
    if (::prctl(PR_SET_DUMPABLE, 0) != 0 || !limit(RLIMIT_DATA, kMostData) ||
        !limit(RLIMIT_NOFILE, kMostFiles) || !limit(RLIMIT_NPROC, kMostTasks) ||
        !limit(RLIMIT_CORE, 0) || !limit(RLIMIT_FSIZE, 0))
        return fail(errno_error(errno, "cannot set limits"));
    return allow_little();
}

}  // namespace pmos::network
