// launch: a container of an OCI bundle, by the process that wants it. See container.h.
#include "runtime/launch/container.h"

#include <errno.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <sys/prctl.h>

#include "runtime/launch/serve.h"
#include "runtime/launch/tree.h"
#include "runtime/sys/file.h"
#include "runtime/sys/process.h"
#include "runtime/sys/socket.h"

namespace pmos::launch {
namespace {

constexpr std::int64_t kForever = 1LL << 40;  // ms; hooks have limits of their own

struct ContainerStep {
    Step step;
    int (*run)(Launch&) noexcept;
    bool enters;  // a container that runs
};

int place_child(Launch& launch) noexcept {
    const ContainerParts& parts = *launch.container;
    return parts.on_clone == nullptr ? 0 : parts.on_clone(parts.caller, launch.pid);
}

constexpr ContainerStep kBeforeClone[] = {
    {Step::map_plan, check_plan, true},          {Step::build_dev, build_dev, false},
    {Step::open_binds, open_binds, false},       {Step::join_namespaces, join_namespaces, true},
    {Step::enter_time_ns, enter_time_ns, false}, {Step::clone, clone_child, true},
};
constexpr ContainerStep kBehindClone[] = {
    {Step::write_id_maps, write_id_maps, false},
    {Step::place_child, place_child, true},
    {Step::adjust_child, adjust_child, true},
};

template <std::size_t kCount>
ChildFailure run_steps(Launch& launch, const ContainerStep (&steps)[kCount]) noexcept {
    for (const ContainerStep& s : steps) {
        if (launch.is(Verb::enter) && !s.enters) continue;
        launch.op = -1;
        const int err = fails_here(launch, s.step) ? -EIO : s.run(launch);
        if (err < 0) return {s.step, -err, launch.op};
    }
    return {};
}

ChildFailure end_if_failed(Launch& launch, const ChildFailure& outcome) noexcept {
    if (outcome.sys_errno == 0) return outcome;
    kill_child(launch);
    int status = 0;
    if (launch.pidfd >= 0) (void)sys::sys_reap(launch.pidfd, &status);
    return outcome;
}

ChildFailure clone_all(Launch& launch) noexcept {
    ChildFailure outcome = run_steps(launch, kBeforeClone);
    // What is left to do is done where we were.
    if (const int err = leave_namespaces(launch); err < 0 && outcome.step == Step::none)
        outcome = {Step::join_namespaces, -err, -1};
    return outcome.step == Step::none ? run_steps(launch, kBehindClone) : outcome;
}

}  // namespace

ChildFailure begin_container(Launch& launch) noexcept {
    ChildFailure outcome = clone_all(launch);
    if (outcome.step == Step::none) outcome = await_child(launch);
    return end_if_failed(launch, outcome);
}

ChildFailure finish_container(Launch& launch) noexcept {
    return end_if_failed(launch, await_child(launch));
}

int let_container_start(int start_fifo) noexcept {
    const char go = 1;
    const long written = sys::sys_write(start_fifo, &go, 1);
    return written == 1 ? 0 : written < 0 ? static_cast<int>(written) : -EIO;
}

ChildFailure read_start_result(int result_fifo) noexcept {
    bool announced = false;
    for (;;) {
        pollfd fd{result_fifo, POLLIN, 0};
        const int ready = sys::sys_poll(&fd, 1, kForever);
        if (ready == -EINTR || ready == 0) continue;
        if (ready < 0) return {Step::child_exec_init, -ready, -1};
        ChildFailure failure;
        const long size = sys::sys_read(result_fifo, &failure, sizeof failure);
        if (size == -EINTR || size == -EAGAIN) continue;
        // It ended before it said that it would execute its program.
        if (size == 0)
            return announced ? ChildFailure{} : ChildFailure{Step::init_exec, ECHILD, -1};
        if (size != sizeof failure) return {Step::child_exec_init, EBADMSG, -1};
        if (failure.sys_errno != 0) return failure;
        announced = true;
    }
}

}  // namespace pmos::launch
