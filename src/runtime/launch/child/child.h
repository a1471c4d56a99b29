// launch child: the steps between clone3 and exec. Runs after clone3: no heap, no locks, no C
// library state; proven by tests/unit/launch/symbols.py.
#pragma once

#include "runtime/launch/launcher.h"

namespace pmos::launch {

// What the child adds to the Launch it was cloned with.
struct Child {
    Launch& launch;
    std::int32_t op = -1;
    int root = -1;   // the mode's root directory, the one every path inside starts from
    int empty = -1;  // a shared empty read-only tmpfs, once one directory has been masked
    int null = -1;   // the mode's /dev/null, verified
    int label = -1, ruleset = -1;
    int stdio[3] = {-1, -1, -1};
    int state_at_start = -1;
    char home[1024]{};  // "HOME=..."

    PlanView plan() const noexcept { return launch.plan(); }
    const image::Header& header() const noexcept { return plan().header(); }
};

// Each returns 0 or -errno and leaves child.op at what it was working on.
int enter_namespaces(Child& child) noexcept;
int sync_with_launcher(Child& child) noexcept;
int start_session(Child& child) noexcept;
int set_hostname(Child& child) noexcept;
int make_mounts_private(Child& child) noexcept;
int attach_root(Child& child) noexcept;
int attach_mounts(Child& child) noexcept;
// In the place of what is attached there comes the view of it; leaves the working directory in
// none.
int replace_mount(int attached, int view, int target) noexcept;
int verify_devices(Child& child) noexcept;
int attach_masks(Child& child) noexcept;
int pivot_into_root(Child& child) noexcept;
int open_tty(Child& child) noexcept;
int open_confinement(Child& child) noexcept;
int close_descriptors(Child& child) noexcept;
int take_identity(Child& child) noexcept;
int set_rlimits(Child& child) noexcept;
int set_capabilities(Child& child) noexcept;
int set_no_new_privs(Child& child) noexcept;
int restrict_by_landlock(Child& child) noexcept;
int set_label(Child& child) noexcept;
int install_seccomp(Child& child) noexcept;
int execute(Child& child) noexcept;          // pmos-init, then the plan's program
int execute_program(Child& child) noexcept;  // the plan's program itself

// Of a container, in place of a mode's or beside them.
int sync_container(Child& child) noexcept;
int make_mounts_slaves(Child& child) noexcept;
int attach_container_root(Child& child) noexcept;
int attach_container_mounts(Child& child) noexcept;
int make_nodes(Child& child) noexcept;
int write_sysctls(Child& child) noexcept;
int settle_root(Child& child) noexcept;
int pause_for_runtime(Child& child) noexcept;
int run_create_hooks(Child& child) noexcept;
int propagate_root(Child& child) noexcept;
int put_console(Child& child) noexcept;
int close_container_descriptors(Child& child) noexcept;
int take_container_identity(Child& child) noexcept;
int set_home(Child& child) noexcept;
int set_personality(Child& child) noexcept;
int limit_privileges(Child& child) noexcept;
int install_seccomp_early(Child& child) noexcept;
int install_seccomp_late(Child& child) noexcept;
int wait_for_start(Child& child) noexcept;
int run_start_hooks(Child& child) noexcept;
int execute_container(Child& child) noexcept;

// With nothing given the mode's own /dev/null, never the phone's.
int open_stdio(Child& child) noexcept;
int check_cwd() noexcept;

// One message to the launcher, with one descriptor where fd is not negative.
int tell_launcher(int socket, const ChildFailure& message, int fd) noexcept;
// Waits for the launcher's one byte. -EPIPE when the launcher is gone.
int await_launcher(const Child& child) noexcept;

}  // namespace pmos::launch
