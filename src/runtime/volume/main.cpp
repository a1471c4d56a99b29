// volume: pmos-volume, one key operation and then the end. Never outlives its request, never
// opens the network, never has a terminal or a log with a secret.
#include <fcntl.h>
#include <fmt/core.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>

#include "runtime/volume/client.h"
#include "runtime/volume/crypt.h"
#include "runtime/volume/worker.h"

namespace {

using pmos::Result;

// The IPC namespace stays the host's: libdevmapper waits for udev on its semaphores.
Result<void> harden() {
    const rlimit no_core{0, 0};
    if (::prctl(PR_SET_DUMPABLE, 0) != 0 || ::setrlimit(RLIMIT_CORE, &no_core) != 0)
        return pmos::fail(pmos::errno_error(errno, "cannot forbid core dumps"));
    // What is touched is locked: the key derivation's memory as well, which libcryptsetup leaves
    // swappable.
    if (::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
        return pmos::fail(pmos::errno_error(errno, "cannot lock memory", "grant CAP_IPC_LOCK"));
    if (::unshare(CLONE_NEWNET) != 0)
        return pmos::fail(pmos::errno_error(errno, "cannot leave the network"));
    if (::prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return pmos::fail(pmos::errno_error(errno, "cannot set process attributes"));
    ::umask(0077);
    return {};
}

}  // namespace

int main() {
    if (::fcntl(pmos::volume::kSocketFd, F_SETFD, FD_CLOEXEC) != 0) {
        fmt::print(stderr, "pmos-volume is started by pmosd, not by hand\n");
        return 2;
    }
    pmos::volume::Channel channel{pmos::BorrowedFd(pmos::volume::kSocketFd)};
    auto answer = [&]() -> Result<pmos::volume::Event> {
        PMOS_TRY(harden());
        pmos::volume::CryptDevice::keep_quiet();
        pmos::volume::CryptDevice::load_no_plugins();
        return pmos::volume::work(channel);
    }();
    pmos::volume::Event event;
    if (answer) {
        event = *answer;
    } else {
        if (answer.error().step.empty()) answer.error().step = channel.step();
        event = pmos::volume::to_event(answer.error());
    }
    if (auto sent = channel.send(event); !sent) {
        fmt::print(stderr, "pmos-volume: {}\n", sent.error().message());
        return 1;
    }
    return answer ? 0 : 1;
}
