// launch child: the one array of what happens after clone3, in order. Runs after clone3: no heap,
// no locks; ends in exec or in one message that names the step.
#include <errno.h>

#include "runtime/launch/child/child.h"
#include "runtime/sys/process.h"

namespace pmos::launch {
namespace {

enum Worlds : unsigned { in_start = 1, in_enter = 2, in_both = 3 };

struct ChildStep {
    Step step;
    int (*run)(Child&) noexcept;
    unsigned worlds;
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

}  // namespace

void run_child(Launch& launch) noexcept {
    Child child{launch};
    const unsigned world = launch.is(Verb::start) ? in_start : in_enter;
    for (const ChildStep& s : kSteps) {
        if ((s.worlds & world) == 0) continue;
        child.op = -1;
        const int err = fails_here(launch, s.step) ? -EIO : s.run(child);
        if (err == 0) continue;
        (void)tell_launcher(launch.child_report, {s.step, -err, child.op}, -1);
        break;
    }
    sys::sys_exit(127);
}

}  // namespace pmos::launch
