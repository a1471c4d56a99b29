// daemon: what a mode gets of the phone that runs on behind another one. Decides nothing: the plan
// has.
#include "runtime/daemon/throttle.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "runtime/daemon/process.h"

namespace pmos::daemon {
namespace {

using Limits = std::vector<policy::CgroupLimit>;

struct Writer {
    UniqueFd pidfd;
    EventSource ended;
};

// Writes for as long as that takes the kernel, which leaves off at a signal: that is what the
// answer is for.
Result<UniqueFd> write_aside(const Context& ctx, const Mode& mode, UniqueFd file,
                             const policy::CgroupLimit& limit) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        const ssize_t n = ::write(file.get(), limit.value.data(), limit.value.size());
        ::_exit(n < 0 ? errno : 0);
    }
    const std::string what = "cannot set '" + limit.file + "' of mode '" + mode.name + "'";
    if (pid < 0) return fail(errno_error(errno, what));
    auto writer = std::make_shared<Writer>();
    writer->pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    UniqueFd mine(writer->pidfd ? ::fcntl(writer->pidfd.get(), F_DUPFD_CLOEXEC, 0) : -1);
    if (!mine) {
        const int why = errno;
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        return fail(errno_error(why, what));
    }
    writer->ended = ctx.loop.on_io(
        writer->pidfd.borrow(), EPOLLIN, [&ctx, name = mode.name, what, writer](std::uint32_t) {
            const auto status = reap(writer->pidfd.borrow());
            writer->ended.reset();
            // A signal ends it when the mode is to have its memory back.
            if (status && WIFEXITED(*status) && WEXITSTATUS(*status) != 0)
                tell_failure(ctx.observer, "throttle-failed", name,
                             fail(errno_error(WEXITSTATUS(*status), what)));
        });
    return mine;
}

bool waits(const policy::CgroupLimit& limit) { return limit.file == "memory.high"; }

bool changes(const policy::LaunchPlan& plan, const policy::CgroupLimit& limit) {
    const auto& behind = plan.background_cgroup;
    return std::ranges::find(behind, limit.file, &policy::CgroupLimit::file) != behind.end();
}

}  // namespace

bool is_throttled_behind(const Mode& mode) {
    const auto& plan = mode.running ? mode.running->plan : mode.plan;
    return plan && !plan->background_cgroup.empty();
}

Limits limits_of(const policy::LaunchPlan& plan, bool in_front) {
    Limits limits = plan.cgroup;
    if (in_front) return limits;
    std::erase_if(limits, [&](const auto& limit) { return changes(plan, limit); });
    limits.insert(limits.end(), plan.background_cgroup.begin(), plan.background_cgroup.end());
    return limits;
}

Result<> throttle_mode(const Context& ctx, Mode& mode) {
    if (!mode.alive() || !is_throttled_behind(mode)) return {};
    Limits at_once = mode.running->plan->background_cgroup;
    const auto late = std::ranges::partition(at_once, [](const auto& l) { return !waits(l); });
    const Limits slow(late.begin(), late.end());
    at_once.erase(late.begin(), late.end());
    PMOS_ASSIGN([[maybe_unused]] const auto left_out, mode.cgroup->apply(at_once));
    for (const auto& limit : slow) {
        PMOS_ASSIGN(UniqueFd file, mode.cgroup->open_to_write(limit.file));
        PMOS_ASSIGN(mode.running->throttling, write_aside(ctx, mode, std::move(file), limit));
    }
    return {};
}

Result<> unthrottle_mode(const Context&, Mode& mode) {
    if (!mode.alive() || !is_throttled_behind(mode)) return {};
    if (const UniqueFd writer = std::move(mode.running->throttling))
        static_cast<void>(send_signal(writer.borrow(), SIGKILL));
    const auto& plan = *mode.running->plan;
    Limits limits = plan.cgroup;
    std::erase_if(limits, [&](const auto& limit) { return !changes(plan, limit); });
    PMOS_ASSIGN([[maybe_unused]] const auto left_out, mode.cgroup->apply(limits));
    return {};
}

}  // namespace pmos::daemon
