// network: a mode's network namespace. A child makes it, because a process cannot come back from
// unshare(2) without risking to stay there.
#include "runtime/network/net_ns.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/sys/file.h"
#include "runtime/sys/process.h"

namespace pmos::network {
namespace {

// Raw calls only: this runs in a fork of a process that may have threads.
int bring_loopback_up() noexcept {
    const int fd = static_cast<int>(sys::raw(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (fd < 0) return fd;
    ifreq request{};
    request.ifr_name[0] = 'l';
    request.ifr_name[1] = 'o';
    request.ifr_flags = IFF_UP;
    return sys::sys_ioctl(fd, SIOCSIFFLAGS, &request);
}

[[noreturn]] void hold_namespace(int parent, int ready, bool loopback_up) noexcept {
    sys::sys_end_with(parent);
    int err = loopback_up ? bring_loopback_up() : 0;
    sys::sys_write(ready, &err, sizeof err);
    for (;;) sys::raw(SYS_ppoll, nullptr, 0, nullptr, nullptr, 0);
}

Result<UniqueFd> take_namespace(int pid, BorrowedFd ready) {
    int err = 0;
    if (::read(ready.get(), &err, sizeof err) != sizeof err) err = -EIO;
    if (err < 0) return fail(errno_error(-err, "cannot bring the loopback up"));
    const std::string path = fmt::format("/proc/{}/ns/net", pid);
    UniqueFd ns(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!ns) return fail(errno_error(errno, "cannot open '" + path + "'"));
    return ns;
}

}  // namespace

Result<UniqueFd> make_net_namespace(bool loopback_up) {
    int pipe[2];
    if (::pipe2(pipe, O_CLOEXEC) < 0) return fail(errno_error(errno, "cannot make a pipe"));
    const UniqueFd ready(pipe[0]);
    UniqueFd theirs(pipe[1]);
    clone_args args{};
    int pidfd = -1;
    args.flags = CLONE_NEWNET | CLONE_PIDFD;
    args.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
    const int parent = ::getpid();
    const int pid = sys::sys_clone3(args);
    if (pid == 0) hold_namespace(parent, theirs.get(), loopback_up);
    if (pid < 0) return fail(errno_error(-pid, "cannot make a network namespace"));
    const UniqueFd holder(pidfd);
    theirs.reset();
    Result<UniqueFd> ns = take_namespace(pid, ready.borrow());
    sys::sys_pidfd_send_signal(holder.get(), SIGKILL);
    siginfo_t info{};
    while (waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | __WALL) < 0 &&
           errno == EINTR) {
    }
    return ns;
}

}  // namespace pmos::network
