// network: a mode's network namespace. A child makes it, because a process cannot come back from
// unshare(2) without risking to stay there.
#include "runtime/network/net_ns.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/sys/beside.h"
#include "runtime/sys/file.h"
#include "runtime/sys/process.h"

namespace pmos::network {
namespace {

int bring_loopback_up() noexcept {
    const int fd = static_cast<int>(sys::raw(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (fd < 0) return fd;
    ifreq request{};
    request.ifr_name[0] = 'l';
    request.ifr_name[1] = 'o';
    request.ifr_flags = IFF_UP;
    const int err = sys::sys_ioctl(fd, SIOCSIFFLAGS, &request);
    sys::sys_close(fd);
    return err;
}

struct Made {
    bool loopback_up;
    int err = 0;
    int ns = -1;
};

// In the new namespace; what it opens is its parent's.
int open_namespace(void* argument) {
    auto& made = *static_cast<Made*>(argument);
    made.err = made.loopback_up ? bring_loopback_up() : 0;
    made.ns = sys::sys_openat(AT_FDCWD, "/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    return 0;
}

}  // namespace

Result<UniqueFd> make_net_namespace(bool loopback_up) {
    Made made{loopback_up};
    sys::BesideStack stack;
    int pidfd = -1;
    const int pid = sys::clone_beside(open_namespace, &made, stack.top(),
                                      CLONE_NEWNET | CLONE_VFORK | CLONE_FILES, &pidfd);
    if (pid < 0) return fail(errno_error(-pid, "cannot make a network namespace"));
    const UniqueFd child(pidfd);
    UniqueFd ns(made.ns);
    sys::reap_beside(child.get());
    if (made.err < 0) return fail(errno_error(-made.err, "cannot bring the loopback up"));
    if (!ns) return fail(errno_error(-made.ns, "cannot open '/proc/self/ns/net'"));
    return ns;
}

}  // namespace pmos::network
