// launch: what pmos-launch's parts share while they work on one request. Plain data and steps;
// no heap, nothing survives the request.
#pragma once

#include <linux/sched.h>
#include <sys/resource.h>

#include <cstdint>

#include "base/fault_points.h"
#include "runtime/launch/descriptors.h"
#include "runtime/launch/plan_view.h"
#include "runtime/launch/protocol.h"

namespace pmos::launch {

// What the launcher learnt of itself when it started.
struct Self {
    rlimit limits[kMaxRlimits]{};
    std::int32_t oom_score_adj = 0;
};

// A namespace that is there already.
struct Joined {
    int fd = -1;
    std::uint32_t type = 0;  // CLONE_NEW*
    int own = -1;            // the one to come back to, while it is left
};
inline constexpr unsigned kMaxJoined = 8;

struct Launch;

// What a container has beside a mode; descriptors are -1 where there are none.
struct ContainerParts {
    Joined joined[kMaxJoined]{};
    // Nothing of the host may be mounted by this process: root and binds are opened by the child,
    // which may in namespaces of its own.
    bool unprivileged = false;
    // Root of a user namespace may not go back to where the machine is: this process stays in what
    // it joins, for nothing more is done by it that this makes a difference to.
    bool stays = false;
    unsigned umask = 0022;           // ours, and that of hooks outside
    bool denies_groups = false;      // the kernel lets it have no map of groups else
    bool is_sibling = false;         // of this process, for whoever started it: CLONE_PARENT
    bool pauses = false;             // once everything is mounted, for hooks of the runtime
    const char* root = nullptr;      // of the unprivileged
    const int* id_spaces = nullptr;  // user namespaces, of each idmapped mount in turn
    unsigned id_space_count = 0;
    int state = -1, state_at_start = -1;    // files that hooks of the child read
    int start_fifo = -1, result_fifo = -1;  // it waits for a word before its program
    const int* preserved = nullptr;         // what the program is to have from 3 on
    unsigned preserved_count = 0;
    std::uint64_t enter_types = 0;  // enter: namespaces that are not ours
    // Instead of clone3(2), for who is to be born in a user namespace that is there: `user_ns`.
    int (*clone)(Launch& launch, const clone_args& args) = nullptr;
    int user_ns = -1;
    // Called once it has a number, before it does anything; 0 or -errno. For who can be put into a
    // cgroup by that number alone.
    int (*on_clone)(void* caller, int pid) = nullptr;
    void* caller = nullptr;
};

// Where the launcher keeps what a process of a mode is executed with.
struct Strings {
    const char* argv[kMaxStrings + 2]{};
    const char* envp[kMaxStrings + 1]{};
};

// One request on its way.
struct Launch {
    const Self* self = nullptr;
    Request request{};
    int slots[kMaxSlots]{};  // -1 where the request has none
    const std::byte* plan_data = nullptr;
    std::uint32_t plan_size = 0;
    std::int32_t op = -1;  // what the running step works on
    int dev_tree = -1;
    int trees[kMaxMounts]{};  // detached mounts by index in the plan's table
    int report = -1;          // our end of the pair the child answers on
    int child_report = -1;
    int pidfd = -1;
    int pid = 0;
    int tty = -1;
    int listener = -1;
    bool in_net_ns = false, in_time_ns = false, in_pid_ns = false, is_owner = false;
    bool visiting = false;  // the mode's mount namespace
    // Room for the plan's; argv[0] is pmos-init's name, the plan's start at [1].
    const char **argv = nullptr, **envp = nullptr;
    ContainerParts* container = nullptr;  // null: a mode

    PlanView plan() const noexcept { return PlanView(plan_data); }
    int slot(Slot bit) const noexcept { return slots[__builtin_ctz(static_cast<unsigned>(bit))]; }
    bool is(Verb verb) const noexcept { return request.verb == verb; }
};

// Each returns 0 or -errno and leaves launch.op at what it was working on.
int write_proc(const char* path, const char* text, std::size_t size) noexcept;  // our own procfs
int map_plan(Launch& launch) noexcept;
int check_plan(Launch& launch) noexcept;
int join_namespaces(Launch& launch) noexcept;
int build_dev(Launch& launch) noexcept;
int open_volumes(Launch& launch) noexcept;
int open_binds(Launch& launch) noexcept;
int join_net_ns(Launch& launch) noexcept;
int enter_time_ns(Launch& launch) noexcept;
int visit_mode(Launch& launch) noexcept;
int change_dev(Launch& launch) noexcept;
int clone_child(Launch& launch) noexcept;
int write_id_maps(Launch& launch) noexcept;
int adjust_child(Launch& launch) noexcept;
// Back to the launcher's own namespaces and user; on failure the launcher must not go on.
int leave_namespaces(Launch& launch) noexcept;

// Lets the child go on, waits for what becomes of it, and kills it where that is a failure.
ChildFailure await_child(Launch& launch) noexcept;
void kill_child(Launch& launch) noexcept;

// -EPIPE when the requester is gone; otherwise 0, with refusal -errno for a request that is none.
int receive_request(Launch& launch, int& refusal) noexcept;
int send_reply(const Launch& launch, const ChildFailure& outcome) noexcept;

// The part after clone3 (child/).
[[noreturn]] void run_child(Launch& launch) noexcept;

// True in builds with -Dfaults=true only: this request asks for this step to fail.
inline bool fails_here(const Launch& launch, Step step) noexcept {
    return kFaultPoints && launch.request.fail_step == static_cast<std::uint32_t>(step);
}

}  // namespace pmos::launch
