// launch: the words for a failed launch. The launcher itself knows only step, errno and index.
#include <errno.h>
#include <fmt/format.h>

#include <cstring>

#include "runtime/launch/client.h"
#include "runtime/launch/plan_view.h"

namespace pmos::launch {
namespace {

std::string plan_fault_text(std::int32_t op) {
    switch (static_cast<PlanFault>(op)) {
        case PlanFault::none:
            break;
        case PlanFault::size:
            return "its size is wrong";
        case PlanFault::magic:
            return "it is no plan image";
        case PlanFault::version:
            return "it is of another version";
        case PlanFault::table:
            return "a table lies outside it or is too long";
        case PlanFault::text:
            return "a text lies outside it or holds a NUL";
        case PlanFault::path:
            return "a path is not plain";
        case PlanFault::mode_name:
            return "the mode's or the host's name is unusable";
        case PlanFault::namespaces:
            return "its set of namespaces is unusable";
        case PlanFault::id_map:
            return "an id map is empty, wraps, or maps the phone's root";
        case PlanFault::mount:
            return "a mount is unusable";
        case PlanFault::node:
            return "a device node is unusable";
        case PlanFault::process:
            return "it has no program or a broken environment";
        case PlanFault::rlimit:
            return "a resource limit is unusable";
        case PlanFault::capabilities:
            return "its capability sets contradict each other";
        case PlanFault::seccomp:
            return "it has no system call filter";
        case PlanFault::container:
            return "it is a container's in part";
        case PlanFault::landlock:
            return "a Landlock rule is unusable";
    }
    return "it is not sealed or not readable";
}

bool is_mount_step(Step step) {
    return step == Step::open_volumes || step == Step::open_binds || step == Step::child_mounts ||
           step == Step::child_masks || step == Step::child_root;
}

const char* resource_name(std::uint32_t resource) {
    constexpr const char* kNames[] = {
        "cpu",     "fsize", "data",  "stack",      "core",     "rss",  "nproc",  "nofile",
        "memlock", "as",    "locks", "sigpending", "msgqueue", "nice", "rtprio", "rttime"};
    return resource < std::size(kNames) ? kNames[resource] : "unknown";
}

// What of the plan the step was at, "" where that says nothing.
std::string subject(const Reply& reply, const policy::LaunchPlan& plan) {
    if (reply.op < 0) return "";
    const auto op = static_cast<std::size_t>(reply.op);
    if (is_mount_step(reply.step) && op < plan.mounts.size()) {
        const policy::MountOp& mount = plan.mounts[op];
        return mount.source.empty() ? fmt::format(" of '{}'", mount.target)
                                    : fmt::format(" of '{}' on '{}'", mount.source, mount.target);
    }
    if ((reply.step == Step::build_dev || reply.step == Step::change_dev) &&
        op < plan.device_nodes.size())
        return fmt::format(" of '/dev/{}'", plan.device_nodes[op].path);
    const bool limits = reply.step == Step::child_rlimits || reply.step == Step::adjust_child;
    if (limits && op < plan.process.rlimits.size())
        return fmt::format(" of '{}'", resource_name(plan.process.rlimits[op].resource));
    if (reply.step == Step::child_open_confinement && op < plan.landlock.size())
        return fmt::format(" of '{}'", plan.landlock[op].path);
    return "";
}

bool is_volume(const Reply& reply, const policy::LaunchPlan& plan) {
    const auto op = static_cast<std::size_t>(reply.op);
    return reply.op >= 0 && op < plan.mounts.size() &&
           plan.mounts[op].kind == policy::image::MountKind::volume;
}

std::string hint(const Reply& reply, const policy::LaunchPlan& plan) {
    const int err = reply.sys_errno;
    if (err == ETIMEDOUT) return "is the mode frozen, or its image very slow to read";
    if (is_mount_step(reply.step) && (err == ELOOP || err == EXDEV))
        return "name the real path: a mount's target may not go through a symbolic link";
    if (is_mount_step(reply.step) && err == ENOENT && is_volume(reply, plan))
        return fmt::format(
            "make the directory in the mode's image; if it is there, the volume has no "
            "directory '{}' and was not made by 'pmosctl provision'",
            policy::image::kModePart);
    if (is_mount_step(reply.step) && err == ENOENT)
        return "make the directory in the mode's image, or drop the mount";
    if (is_mount_step(reply.step) && err == ENOTDIR)
        return "the target must be a directory of the mode's image, not a file or a link";
    if (reply.step == Step::init_exec && !plan.process.args.empty() &&
        (err == ENOENT || err == EACCES || err == ENOEXEC))
        return fmt::format("is '{}' in the mode's image, executable, and allowed by Landlock",
                           plan.process.args.front());
    if (reply.step == Step::child_rlimits && err == EPERM)
        return "pmosd may not raise this limit here: lower it in the profile";
    if (reply.step == Step::child_lsm || (reply.step == Step::init_exec && err == EPERM))
        return "load the mode's AppArmor profile before the start";
    return "";
}

}  // namespace

Error describe(const Reply& reply, const policy::LaunchPlan& plan) {
    const bool runs = reply.step == Step::visit_mode || reply.step == Step::change_dev;
    Error e = errno_error(
        reply.sys_errno,
        fmt::format("cannot {} {} '{}': {}{} failed", runs ? "change the devices of" : "launch",
                    plan.container ? "container" : "mode", plan.mode, step_name(reply.step),
                    subject(reply, plan)),
        hint(reply, plan));
    e.step = step_name(reply.step);
    if (reply.step == Step::map_plan && reply.sys_errno == EBADMSG)
        e.why = "the plan is refused: " + plan_fault_text(reply.op);
    if (reply.sys_errno == ESTALE) e.why = "it is not what it should be";
    if (reply.sys_errno == ECHILD) e.why = "the process died before it could run the program";
    if (reply.sys_errno == ECANCELED) e.code = Code::cancelled;
    return e;
}

}  // namespace pmos::launch
