// launch: clone3, id maps, and the wait for the child's word. A mode's child is the requester's
// (CLONE_PARENT): it is killed here, but reaped there. No heap.
#include <errno.h>
#include <linux/sched.h>
#include <sys/prctl.h>

#include <cstring>

#include "runtime/launch/launcher.h"
#include "runtime/sys/file.h"
#include "runtime/sys/number.h"
#include "runtime/sys/process.h"
#include "runtime/sys/socket.h"

namespace pmos::launch {
namespace {

constexpr std::uint64_t kClonedNamespaces =
    CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
constexpr std::int64_t kDeathLimitMs = 5000;

int write_child(const Launch& launch, const char* file, const char* text,
                std::size_t size) noexcept {
    sys::TextBuffer<48> path;
    path.add(static_cast<std::int64_t>(launch.pid));
    path.add('/');
    path.add(file);
    return write_proc(path.text(), text, size);
}

int write_map(const Launch& launch, const char* file, std::span<const image::IdMap> map) noexcept {
    sys::TextBuffer<kMaxIdMaps * 36> text;
    for (const image::IdMap& m : map) {
        text.add(static_cast<std::int64_t>(m.inside));
        text.add(' ');
        text.add(static_cast<std::int64_t>(m.outside));
        text.add(' ');
        text.add(static_cast<std::int64_t>(m.count));
        text.add('\n');
    }
    return write_child(launch, file, text.text(), text.size());
}

// What the kernel counts per user (inotify instances, bytes of message queues, pending signals,
// processes, namespaces) it counts in a user namespace and again, by the namespace's owner, in the
// one above. With root for an owner that second account would be one for all modes: one could use
// it up for another, or read off it. So the owner is the mode's own root, an id that no other has.
// It gives the mode nothing: a namespace's owner has its capabilities only to a process in the
// namespace above (cap_capable), where nobody has this id but we for the time of the clone. Our
// capabilities stay meanwhile (prepare_self), our real user too, which is who we count for.
int become_owner(Launch& launch) noexcept {
    const PlanView plan = launch.plan();
    for (const image::IdMap& m : plan.table(plan.header().uid_map)) {
        if (m.inside != 0) continue;
        launch.is_owner = true;
        if (const int err = sys::sys_seteuid(m.outside); err < 0) return err;
        // A change of user makes it what fs.suid_dumpable says, and the child takes it over.
        return sys::sys_prctl(PR_SET_DUMPABLE, 0);
    }
    return -EINVAL;
}

// Closes what only the preparation needed while the child is at work on its own copies.
void close_preparation(const Launch& launch) noexcept {
    const auto report = static_cast<unsigned>(launch.report);
    const auto pidfd = static_cast<unsigned>(launch.pidfd);
    if (report > kFirstRequestFd) sys::sys_close_range(kFirstRequestFd, report - 1, 0);
    if (pidfd > report + 1) sys::sys_close_range(report + 1, pidfd - 1, 0);
}

struct Message {
    ChildFailure failure;
    int fd = -1;
};

long read_message(int socket, Message& out) noexcept {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    iovec data{&out.failure, sizeof out.failure};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const long size = sys::sys_recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (size <= 0) return size;
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header != nullptr && header->cmsg_type == SCM_RIGHTS)
        std::memcpy(&out.fd, CMSG_DATA(header), sizeof out.fd);
    return size == sizeof out.failure ? size : -EBADMSG;
}

// True when the child may go on.
bool send_go(const Launch& launch) noexcept {
    const char go = 1;
    iovec data{const_cast<char*>(&go), 1};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    return sys::sys_sendmsg(launch.report, &message, MSG_NOSIGNAL) == 1;
}

int take_listener(Launch& launch, int number) noexcept {
    const int fd = sys::sys_pidfd_getfd(launch.pidfd, number);
    if (fd < 0) return fd;
    launch.listener = fd;
    return send_go(launch) ? 0 : -EPIPE;
}

constexpr ChildFailure broken(int error) noexcept { return {Step::child_exec_init, error, -1}; }

// One verdict out of the child's messages: whether the wait is over, and how it ended.
bool judge(Launch& launch, bool& announced, ChildFailure& verdict) noexcept {
    Message message;
    const long size = read_message(launch.report, message);
    // A child that ends without having read our go resets the pair; its message, or the end of
    // file, is behind that error, which is reported once.
    if (size == -EAGAIN || size == -EINTR || size == -ECONNRESET) return false;
    if (size == 0) {
        // End of file means executed only if the child said that it was about to.
        verdict = announced ? ChildFailure{} : broken(ECHILD);
        return true;
    }
    if (size < 0) {
        verdict = broken(static_cast<int>(-size));
        return true;
    }
    verdict = message.failure;
    if (verdict.sys_errno != 0) return true;
    if (verdict.step == Step::enter_tty) {
        launch.tty = message.fd;
        return false;
    }
    if (verdict.step == Step::child_seccomp) {
        const int err = take_listener(launch, verdict.op);
        verdict = {Step::child_seccomp, -err, -1};
        return err < 0;
    }
    // It waits for what is ours to do, or somebody else's.
    if (launch.container != nullptr &&
        (verdict.step == Step::child_pause || verdict.step == Step::child_wait)) {
        verdict = {};
        return true;
    }
    announced = true;
    // pmos-init speaks after the fact.
    return launch.is(Verb::start) && launch.container == nullptr;
}

int clone_here(Launch& launch, const clone_args& args) noexcept {
    const int pid = sys::sys_clone3(args);
    if (pid == 0) run_child(launch);
    return pid;
}

}  // namespace

int clone_child(Launch& launch) noexcept {
    int pair[2];
    int err = sys::sys_socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, pair);
    if (err < 0) return err;
    launch.report = pair[0];
    launch.child_report = pair[1];
    clone_args args{};
    int pidfd = -1;
    args.flags = CLONE_PIDFD;
    args.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
    const bool is_container = launch.container != nullptr;
    if (!is_container || launch.container->is_sibling || launch.container->clone != nullptr)
        args.flags |= CLONE_PARENT;
    if ((args.flags & CLONE_PARENT) == 0) args.exit_signal = SIGCHLD;
    if (!is_container || launch.slot(slot_cgroup) >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = static_cast<std::uint64_t>(launch.slot(slot_cgroup));
    }
    if (launch.is(Verb::start) && is_container) {
        const image::Header& h = launch.plan().header();
        args.flags |= h.namespaces & ~h.joined & (kClonedNamespaces | CLONE_NEWNET);
    } else if (launch.is(Verb::start)) {
        args.flags |= launch.plan().header().namespaces & kClonedNamespaces;
        if (err = become_owner(launch); err < 0) return err;
    } else if (!is_container) {
        err = sys::sys_setns(launch.slot(slot_pidfd), CLONE_NEWPID);
        if (err < 0) return err;
        launch.in_pid_ns = true;
    }
    const int pid = is_container && launch.container->clone != nullptr
                        ? launch.container->clone(launch, args)
                        : clone_here(launch, args);
    if (pid < 0) return pid;
    launch.pid = pid;
    launch.pidfd = pidfd;
    sys::sys_close(launch.child_report);
    return 0;
}

int write_id_maps(Launch& launch) noexcept {
    const PlanView plan = launch.plan();
    const std::uint64_t made = plan.header().namespaces & ~plan.header().joined;
    if (!launch.is(Verb::start) || (made & CLONE_NEWUSER) == 0) return 0;
    if (launch.container != nullptr && launch.container->denies_groups)
        if (const int err = write_child(launch, "setgroups", "deny", 4); err < 0) return err;
    const int err = write_map(launch, "uid_map", plan.table(plan.header().uid_map));
    if (err < 0) return err;
    return write_map(launch, "gid_map", plan.table(plan.header().gid_map));
}

int adjust_child(Launch& launch) noexcept {
    const PlanView plan = launch.plan();
    const std::int32_t score = plan.header().oom_score_adj;
    if (score != launch.self->oom_score_adj) {
        sys::TextBuffer<16> text;
        text.add(static_cast<std::int64_t>(score));
        const int err = write_child(launch, "oom_score_adj", text.text(), text.size());
        if (err < 0) return err;
    }
    for (const image::Rlimit& r : plan.table(plan.header().rlimits)) {
        ++launch.op;
        const rlimit& own = launch.self->limits[r.resource];
        if (r.hard <= own.rlim_max) continue;
        const rlimit raised{own.rlim_cur, r.hard};
        const int err = sys::sys_prlimit(launch.pid, r.resource, &raised, nullptr);
        if (err < 0) return err;
    }
    launch.op = -1;
    return 0;
}

ChildFailure await_child(Launch& launch) noexcept {
    // A child that is gone already has left its reason in the socket: read that instead.
    (void)send_go(launch);
    if (launch.container == nullptr) close_preparation(launch);

    const std::int64_t deadline = sys::sys_monotonic_ms() + launch.request.timeout_ms;
    bool announced = false;
    for (;;) {
        const std::int64_t left = deadline - sys::sys_monotonic_ms();
        if (left <= 0) return broken(ETIMEDOUT);
        pollfd fds[] = {{launch.report, POLLIN, 0}, {kSocketFd, POLLRDHUP, 0}};
        const unsigned count = launch.container == nullptr ? 2 : 1;
        const int ready = sys::sys_poll(fds, count, left);
        if (ready < 0 && ready != -EINTR) return broken(-ready);
        if (ready <= 0) continue;
        ChildFailure verdict;
        if (fds[0].revents != 0 && judge(launch, announced, verdict)) return verdict;
        if (fds[1].revents != 0) return broken(ECANCELED);
    }
}

void kill_child(Launch& launch) noexcept {
    if (launch.pidfd < 0) return;
    sys::sys_pidfd_send_signal(launch.pidfd, SIGKILL);
    // Readable once dead: then its namespaces and mounts are gone as well.
    const std::int64_t deadline = sys::sys_monotonic_ms() + kDeathLimitMs;
    for (;;) {
        pollfd fd{launch.pidfd, POLLIN, 0};
        const std::int64_t left = deadline - sys::sys_monotonic_ms();
        const int ready = left > 0 ? sys::sys_poll(&fd, 1, left) : 0;
        if (ready != -EINTR) return;
    }
}

}  // namespace pmos::launch
