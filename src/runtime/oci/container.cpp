// oci: what becomes of a container that was made: its start, its end. See container.h.
#include "runtime/oci/container.h"

#include <fmt/format.h>
#include <poll.h>

#include <csignal>

#include "runtime/launch/container.h"
#include "runtime/oci/attempt.h"
#include "runtime/oci/hooks.h"
#include "runtime/sys/process.h"

namespace pmos::oci {
namespace {

using policy::oci::HookPoint;

constexpr int kDeathLimitMs = 10000;

void end_first_process(const Record& record) {
    const auto process = process_of(record);
    if (!process) return;
    sys::sys_pidfd_send_signal(process->get(), SIGKILL);
    pollfd end{process->get(), POLLIN, 0};
    static_cast<void>(::poll(&end, 1, kDeathLimitMs));
}

// With whatever is left in it: without a pid namespace its processes outlive the first.
Result<> remove_cgroup(const Record& record) {
    if (record.cgroup.manager == CgroupManager::none) return {};
    auto cgroup = ContainerCgroup::open(record.cgroup);
    if (!cgroup) return cgroup.error().code == Code::not_found ? Result<>() : fail(cgroup.error());
    PMOS_TRY(cgroup->kill(SIGKILL));
    return cgroup->remove();
}

}  // namespace

// The word is said by whoever takes the fifo's name away.
Result<Warnings> start_container(const Options& options) {
    PMOS_ASSIGN(const auto directory, StateDirectory::open(options.root, options.id));
    PMOS_ASSIGN(const auto record, directory.read());
    if (const Status status = status_of(directory, record); status != Status::created)
        return fail(Code::failed, fmt::format("container '{}' is {}, not created", options.id,
                                              status_name(status)));
    PMOS_ASSIGN(const auto bytes, directory.config());
    PMOS_ASSIGN(const auto config, parse_config(bytes));
    PMOS_ASSIGN(const auto fifos, directory.take_fifos());
    if (const int err = launch::let_container_start(fifos.start.get()); err < 0)
        return fail(errno_error(-err, "cannot start container '" + options.id + "'"));
    const auto outcome = launch::read_start_result(fifos.result.get());
    if (outcome.sys_errno != 0) {
        end_first_process(record);
        policy::LaunchPlan plan;
        plan.mode = options.id;
        plan.container.emplace();
        if (config.process) plan.process.args = config.process->args;
        return describe(outcome, plan);
    }
    return run_all_hooks(config.hooks, HookPoint::poststart, state_json(record, Status::running));
}

Result<Warnings> delete_container(const Options& options) {
    auto directory = StateDirectory::open(options.root, options.id);
    if (!directory) {
        if (options.force && directory.error().code == Code::not_found) return Warnings();
        return fail(std::move(directory.error()));
    }
    const auto record = directory->read();
    if (!record) {
        if (!options.force) return fail(record.error());
        PMOS_TRY(directory->remove());
        return Warnings();
    }
    const Status status = status_of(*directory, *record);
    // Also one that never began (runtime-spec, runtime.md: delete), which runc would end.
    if (status != Status::stopped && !options.force)
        return fail(Code::failed,
                    fmt::format("container '{}' is {}, and is not deleted", options.id,
                                status_name(status)),
                    "", "stop it first, or: pmos-oci delete --force " + options.id);
    end_first_process(*record);
    PMOS_TRY(remove_cgroup(*record));
    const auto bytes = directory->config();
    PMOS_TRY(directory->remove());
    const auto config =
        bytes ? parse_config(*bytes) : Result<policy::oci::Config>(fail(bytes.error()));
    if (!config) return Warnings();
    return run_all_hooks(config->hooks, HookPoint::poststop, state_json(*record, Status::stopped));
}

}  // namespace pmos::oci
