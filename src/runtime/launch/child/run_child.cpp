// launch child: the one array of what happens after clone3, in order. Runs after clone3: no heap,
// no locks; ends in exec or in one message that names the step.
#include <errno.h>

#include "runtime/launch/child/child.h"
#include "runtime/sys/process.h"

namespace pmos::launch {
namespace {

enum Worlds : unsigned {
    in_start = 1,
    in_enter = 2,
    in_both = 3,
    in_container = 4,
    in_container_enter = 8,
    in_containers = 12,
};

struct ChildStep {
    Step step;
    int (*run)(Child&) noexcept;
    unsigned worlds;
};

constexpr ChildStep kContainerSteps[] = {
    {Step::child_sync, sync_container, in_containers},
    {Step::enter_namespaces, enter_namespaces, in_container_enter},
    {Step::child_session, start_session, in_containers},
    {Step::child_hostname, set_hostname, in_container},
    {Step::child_private_mounts, make_mounts_slaves, in_container},
    {Step::child_root, attach_container_root, in_container},
    {Step::child_mounts, attach_container_mounts, in_container},
    {Step::child_nodes, make_nodes, in_container},
    {Step::child_devices, verify_devices, in_container},
    {Step::child_masks, attach_masks, in_container},
    {Step::child_sysctl, write_sysctls, in_container},
    {Step::child_pause, pause_for_runtime, in_container},
    {Step::child_create_hooks, run_create_hooks, in_container},
    {Step::child_root, settle_root, in_container},
    {Step::child_pivot, pivot_into_root, in_container},
    {Step::child_root, propagate_root, in_container},
    {Step::enter_tty, put_console, in_container},
    {Step::enter_tty, open_tty, in_container_enter},
    {Step::child_open_confinement, open_confinement, in_containers},
    {Step::child_identity, set_home, in_containers},
    {Step::child_close_fds, close_container_descriptors, in_containers},
    {Step::child_seccomp, install_seccomp_early, in_containers},
    {Step::child_identity, take_container_identity, in_containers},
    {Step::child_rlimits, set_rlimits, in_containers},
    {Step::child_capabilities, set_capabilities, in_containers},
    {Step::child_personality, set_personality, in_containers},
    {Step::child_no_new_privs, limit_privileges, in_containers},
    {Step::child_lsm, set_label, in_containers},
    {Step::child_seccomp, install_seccomp_late, in_containers},
    {Step::child_wait, wait_for_start, in_container},
    {Step::child_start_hooks, run_start_hooks, in_container},
    {Step::init_exec, execute_container, in_containers},
};

constexpr ChildStep kSteps[] = {
    {Step::child_sync, sync_with_launcher, in_both},
    {Step::enter_namespaces, enter_namespaces, in_enter},
    {Step::child_session, start_session, in_both},
    {Step::child_hostname, set_hostname, in_start},
    {Step::child_private_mounts, make_mounts_private, in_start},
    {Step::child_root, attach_root, in_start},
    {Step::child_mounts, attach_mounts, in_start},
    {Step::child_devices, verify_devices, in_start},
    {Step::child_masks, attach_masks, in_start},
    {Step::child_pivot, pivot_into_root, in_start},
    {Step::enter_tty, open_tty, in_enter},
    {Step::child_open_confinement, open_confinement, in_both},
    {Step::child_close_fds, close_descriptors, in_both},
    {Step::child_identity, take_identity, in_both},
    {Step::child_rlimits, set_rlimits, in_both},
    {Step::child_capabilities, set_capabilities, in_both},
    {Step::child_no_new_privs, set_no_new_privs, in_both},
    {Step::child_landlock, restrict_by_landlock, in_both},
    {Step::child_lsm, set_label, in_both},
    {Step::child_seccomp, install_seccomp, in_both},
    {Step::child_exec_init, execute, in_start},
    {Step::init_exec, execute_program, in_enter},
};

template <std::size_t kCount>
void run_steps(Child& child, const ChildStep (&steps)[kCount], unsigned world) noexcept {
    for (const ChildStep& s : steps) {
        if ((s.worlds & world) == 0) continue;
        child.op = -1;
        const int err = fails_here(child.launch, s.step) ? -EIO : s.run(child);
        if (err == 0) continue;
        (void)tell_launcher(child.launch.child_report, {s.step, -err, child.op}, -1);
        return;
    }
}

}  // namespace

void run_child(Launch& launch) noexcept {
    Child child{launch};
    if (launch.container != nullptr)
        run_steps(child, kContainerSteps,
                  launch.is(Verb::start) ? in_container : in_container_enter);
    else
        run_steps(child, kSteps, launch.is(Verb::start) ? in_start : in_enter);
    sys::sys_exit(127);
}

}  // namespace pmos::launch
