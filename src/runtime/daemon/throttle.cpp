// daemon: what a mode gets of the phone that runs on behind another one. Decides nothing: the plan
// has.
#include "runtime/daemon/throttle.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
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
// answer is for. It has none where there is no process to be had; then the weights alone slow the
// mode.
UniqueFd write_aside(EventLoop& loop, UniqueFd file, const std::string& value) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        static_cast<void>(!::write(file.get(), value.data(), value.size()));
        ::_exit(0);
    }
    auto writer = std::make_shared<Writer>();
    if (pid > 0) writer->pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!writer->pidfd) return {};
    writer->ended = loop.on_io(writer->pidfd.borrow(), EPOLLIN, [writer](std::uint32_t) {
        static_cast<void>(reap(writer->pidfd.borrow()));
        writer->ended.reset();
    });
    return UniqueFd(::fcntl(writer->pidfd.get(), F_DUPFD_CLOEXEC, 0));
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
        mode.running->throttling = write_aside(ctx.loop, std::move(file), limit.value);
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
