// launch: what pmosd and pmos-launch say to each other over a SOCK_SEQPACKET pair, one request and
// one reply at a time; and what the child says to the launcher. Plain old data only.
#pragma once

#include <cstdint>
#include <type_traits>

namespace pmos::launch {

inline constexpr std::uint32_t kRequestMagic = 0x504d4c51;  // "PMLQ"
inline constexpr std::uint32_t kReplyMagic = 0x504d4c52;    // "PMLR"
// pmos-launch finds its socket here, and pmos-init (a file to seal) at the next one.
inline constexpr int kSocketFd = 3;
inline constexpr int kInitFd = 4;

enum class Verb : std::uint32_t {
    start = 1,  // a new mode: all namespaces, pmos-init as PID 1, then the plan's process
    enter = 2,  // one more process in a running mode (pidfd), with the plan's confinement
    // The plan's device nodes come into a running mode's /dev, or go from it (take_away). Whether
    // they can be opened is the device filter's to say.
    devices = 3,
};

// Descriptors of a request travel by SCM_RIGHTS in the order of these bits; `descriptors` says
// which are there.
enum Slot : std::uint32_t {
    slot_plan = 1U << 0,       // memfd, sealed against all writes: a policy::image
    slot_cgroup = 1U << 1,     // directory of the mode's cgroup (O_PATH or O_RDONLY)
    slot_root_tree = 1U << 2,  // start: detached mount of the mode's root (open_tree, fsmount)
    slot_net_ns = 1U << 3,     // start: the network namespace made ahead
    slot_id_ns = 1U << 4,   // start: a user namespace with the mode's id maps, for idmapped mounts
    slot_status = 1U << 5,  // start: where pmos-init writes an ExitRecord (O_WRONLY)
    slot_pidfd = 1U << 6,   // enter, devices: the mode's PID 1
    slot_stdin = 1U << 7,
    slot_stdout = 1U << 8,
    slot_stderr = 1U << 9,
    slot_program = 1U << 10,  // enter: memfd, sealed against all writes; runs in the image's stead
};
inline constexpr int kMaxSlots = 11;

// With slot_program a call whose sixth argument is the mark is answered by the mode's filter as
// ever, but never carried out: what the filter lets in fails with an error that no call has.
inline constexpr std::uint64_t kJudgeMark = 0x7972742d736f6d70;  // "pmos-try"
inline constexpr int kAdmitted = 4095;                           // the kernel's MAX_ERRNO

struct Request {
    std::uint32_t magic = kRequestMagic;
    Verb verb = Verb::start;
    std::uint32_t descriptors = 0;   // Slot bits
    std::uint32_t allocate_tty = 0;  // enter: a pty from the mode's own devpts; stdio slots unused
    std::uint16_t rows = 0, columns = 0;
    std::uint32_t take_away = 0;       // devices
    std::uint32_t timeout_ms = 10000;  // until the program has been executed
    std::uint32_t fail_step = 0;       // Step to fail, honoured only with -Dfaults=true
};

// The array of a launch, in order; names in step_name(). New steps go where they happen.
enum class Step : std::uint32_t {
    none = 0,
    // pmos-launch, before clone3
    read_request,
    map_plan,
    build_dev,
    open_volumes,
    open_binds,
    join_net_ns,
    enter_time_ns,
    visit_mode,  // devices only, which ends with the next one
    change_dev,
    clone,
    write_id_maps,
    adjust_child,  // OOM score and raised hard limits, which the child may not set itself
    // the child
    enter_namespaces,  // enter only
    child_sync,
    child_session,
    child_hostname,
    child_private_mounts,
    child_root,
    child_mounts,
    child_devices,
    child_masks,
    child_pivot,
    enter_tty,               // enter, and containers with a terminal
    child_open_confinement,  // Landlock ruleset and LSM label, while paths can still be opened
    child_close_fds,
    child_identity,
    child_rlimits,
    child_capabilities,
    child_no_new_privs,
    child_landlock,
    child_lsm,
    child_seccomp,
    child_exec_init,
    // pmos-init
    init_fork,
    init_exec,  // also of enter, which has no pmos-init
    reply,
    of_modes_,
    // Of containers alone.
    join_namespaces = of_modes_,  // those that are there already; behind open_binds
    place_child,                  // in a cgroup, by its number; behind clone
    child_nodes,                  // of /dev, where the launcher could not make them; behind mounts
    child_sysctl,
    child_pause,         // for hooks of the runtime
    child_create_hooks,  // outside its root
    child_wait,          // for the word to start; behind everything but filter and program
    child_start_hooks,
    child_personality,
    count_,
};
const char* step_name(Step step) noexcept;

struct Reply {
    std::uint32_t magic = kReplyMagic;
    Step step = Step::none;      // none: it worked
    std::int32_t sys_errno = 0;  // positive
    std::int32_t op = -1;        // index into the plan's table that step works through, or -1
    std::int32_t pid = 0;        // in the launcher's pid namespace
    // ReplySlot bits: the descriptors that come with it, in their order.
    std::uint32_t descriptors = 0;
};
enum ReplySlot : std::uint32_t {
    // Also after a failure behind clone3: the process is dead by then and the requester, its
    // parent, reaps it.
    reply_pidfd = 1U << 0,
    reply_tty = 1U << 1,       // the pty's master, with allocate_tty
    reply_listener = 1U << 2,  // seccomp_unotify(2), where the plan's filter asks
};
inline constexpr int kMaxReplySlots = 3;

// What the child (and pmos-init) tells the launcher: why it cannot go on, or, with step none, that
// the program has been executed (pmos-init) or will be next (enter: end of file then confirms it).
// With step child_seccomp and no error, op is the listener's number in the child, which waits until
// the launcher has taken it.
struct ChildFailure {
    Step step = Step::none;
    std::int32_t sys_errno = 0;
    std::int32_t op = -1;
};

// Where pmos-init finds its descriptors; the status descriptor may be absent (closed).
inline constexpr int kInitStatusFd = 3;
inline constexpr int kInitReportFd = 4;

// What pmos-init writes, once, to the status descriptor before it exits.
inline constexpr std::uint32_t kExitMagic = 0x504d4558;  // "PMEX"
struct ExitRecord {
    std::uint32_t magic = kExitMagic;
    std::int32_t wait_status = 0;  // of the plan's process, as waitpid(2) reports it
};

static_assert(std::is_trivially_copyable_v<Request> && std::is_trivially_copyable_v<Reply>);

}  // namespace pmos::launch
