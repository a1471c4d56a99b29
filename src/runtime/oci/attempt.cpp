// oci: what a launch in this process is made of. See attempt.h.
#include "runtime/oci/attempt.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/launch/client.h"
#include "runtime/sys/process.h"

namespace pmos::oci {
namespace {

constexpr std::uint32_t kLaunchLimitMs = 60000;

}  // namespace

Result<OwnLauncher> become_launcher(unsigned preserve_fds) {
    OwnLauncher made;
    // Above where they are to go, so that none is in another's way.
    const int above = launch::kFirstRequestFd + static_cast<int>(preserve_fds);
    for (unsigned i = 0; i < preserve_fds; ++i) {
        UniqueFd fd(::fcntl(static_cast<int>(3 + i), F_DUPFD_CLOEXEC, above));
        if (!fd)
            return fail(errno_error(
                errno, fmt::format("--preserve-fds {}: {} is not open", preserve_fds, 3 + i)));
        made.preserved.push_back(std::move(fd));
    }
    if (const int err = launch::prepare_own_launch(made.self); err < 0)
        return fail(errno_error(-err, "cannot prepare a launch"));
    return made;
}

Attempt::Attempt(const policy::LaunchPlan& from, const OwnLauncher& launcher)
    : plan(from),
      image(policy::encode(plan, "")),
      argv(plan.process.args.size() + 2),
      envp(plan.process.env.size() + 2) {
    launch.self = &launcher.self;
    launch.container = &parts;
    for (const auto& fd : launcher.preserved) preserved.push_back(fd.get());
    parts.preserved = preserved.data();
    parts.preserved_count = static_cast<unsigned>(preserved.size());
    launch.argv = argv.data();
    launch.envp = envp.data();
    launch.plan_data = image.data();
    launch.plan_size = static_cast<std::uint32_t>(image.size());
    launch.request.timeout_ms = kLaunchLimitMs;
    for (int& slot : launch.slots) slot = -1;
    for (int i = 0; i < 3; ++i)
        put(static_cast<launch::Slot>(unsigned{launch::slot_stdin} << unsigned(i)), i);
}

std::unexpected<Error> describe(const launch::ChildFailure& outcome,
                                const policy::LaunchPlan& plan) {
    launch::Reply reply;
    reply.step = outcome.step;
    reply.sys_errno = outcome.sys_errno;
    reply.op = outcome.op;
    return fail(launch::describe(reply, plan));
}

void kill_and_reap(const launch::Launch& launch) {
    if (launch.pidfd < 0) return;
    launch::Launch dead = launch;
    launch::kill_child(dead);
    int status = 0;
    static_cast<void>(sys::sys_reap(launch.pidfd, &status));
}

Result<> write_pid(const std::string& path, int pid) {
    if (path.empty()) return {};
    const std::string text = std::to_string(pid), next = path + ".new";
    const UniqueFd fd(::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::rename(next.c_str(), path.c_str()) != 0)
        return fail(errno_error(errno, "cannot write '" + path + "'"));
    return {};
}

}  // namespace pmos::oci
