// launch: the requester's end of pmos-launch's socket, for pmosd and the tests. Decides nothing of
// a launch; never logs.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "policy/launch_plan.h"
#include "runtime/launch/protocol.h"

namespace pmos::launch {

// What goes with a request; the ones that are not set are not sent. The receiver gets copies.
struct LaunchDescriptors {
    BorrowedFd plan, cgroup, root_tree, net_ns, id_ns, status, pidfd;
    BorrowedFd stdin_fd, stdout_fd, stderr_fd;
    BorrowedFd program;
};

struct LaunchReply {
    Reply reply;
    UniqueFd pidfd;     // of the mode's PID 1 (start) or of the process (enter)
    UniqueFd tty;       // master, where one was asked for
    UniqueFd listener;  // of the filter's questions, where the plan's asks any

    bool ok() const noexcept { return reply.step == Step::none; }
};

// A memfd with these bytes that nobody can change any more.
Result<UniqueFd> seal_plan(std::span<const std::byte> image);
// The same of a program, to be executed and not to be read.
Result<UniqueFd> seal_program(const std::string& path);

// Sends one request; request.descriptors is filled in here. One request at a time: the next one
// only after receive_reply().
Result<void> send_request(BorrowedFd socket, Request request, const LaunchDescriptors& fds);

// Reads one reply; blocks unless the socket is non-blocking (then EAGAIN in sys_errno) or polled
// readable. Where the launch failed behind clone3 the dead child is reaped here, because it is
// the caller's child. Errors: unreachable when the launcher is gone.
Result<LaunchReply> receive_reply(BorrowedFd socket);

// The words for a reply that is not ok(): which step, on what of the plan, why, and what to do.
Error describe(const Reply& reply, const policy::LaunchPlan& plan);

// A running pmos-launch: its process and our end of its socket (SOCK_SEQPACKET, CLOEXEC,
// blocking). It ends when the socket is closed.
struct LauncherProcess {
    UniqueFd pidfd;
    UniqueFd socket;
    int pid = 0;
};
Result<LauncherProcess> start_launcher(const char* launcher_path, const char* init_path);

}  // namespace pmos::launch
