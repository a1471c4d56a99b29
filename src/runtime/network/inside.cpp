// network: acting in another network namespace, for a process of one thread.
#include "runtime/network/inside.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>

namespace pmos::network {

Result<Home> Home::here() {
    UniqueFd fd(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!fd) return fail(errno_error(errno, "cannot open the network namespace"));
    return Home(std::move(fd));
}

Result<> Home::enter(BorrowedFd netns) {
    if (::setns(netns.get(), CLONE_NEWNET) != 0)
        return fail(errno_error(errno, "cannot enter the mode's network namespace"));
    return {};
}

void Home::leave() const noexcept {
    if (::setns(fd_.get(), CLONE_NEWNET) != 0) std::abort();
}

Result<> Home::check_other(BorrowedFd netns) const {
    struct stat theirs {};
    struct stat ours {};
    if (::ioctl(netns.get(), NS_GET_NSTYPE) != CLONE_NEWNET)
        return fail(Code::usage, "the descriptor is no network namespace");
    if (::fstat(netns.get(), &theirs) != 0 || ::fstat(fd_.get(), &ours) != 0)
        return fail(errno_error(errno, "cannot look at a network namespace"));
    if (theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino)
        return fail(Code::usage, "the network namespace is the phone's own");
    return {};
}

}  // namespace pmos::network
