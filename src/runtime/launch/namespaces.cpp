// launch: the namespaces that this process visits for the time of a clone. No heap.
#include <errno.h>
#include <linux/sched.h>
#include <sys/prctl.h>

#include "runtime/launch/launcher.h"
#include "runtime/sys/file.h"
#include "runtime/sys/number.h"
#include "runtime/sys/process.h"

namespace pmos::launch {
namespace {

const char* own_namespace(std::uint32_t type) noexcept {
    switch (type) {
        case CLONE_NEWNET:
            return "self/ns/net";
        case CLONE_NEWIPC:
            return "self/ns/ipc";
        case CLONE_NEWUTS:
            return "self/ns/uts";
        case CLONE_NEWPID:
            return "self/ns/pid";
        case CLONE_NEWCGROUP:
            return "self/ns/cgroup";
        case CLONE_NEWTIME:
            return "self/ns/time";
        default:
            return "none";  // a user or mount namespace is not come back from
    }
}

int leave_joined(ContainerParts& parts) noexcept {
    int err = 0;
    for (Joined& joined : parts.joined) {
        if (joined.own < 0) continue;
        const int back = sys::sys_setns(joined.own, joined.type);
        if (back != -EPERM || !parts.stays) err |= back;
        sys::sys_close(joined.own);
        joined.own = -1;
    }
    return err;
}

}  // namespace

int write_proc(const char* path, const char* text, std::size_t size) noexcept {
    const int fd = sys::sys_openat(kProcFd, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return fd;
    const long written = sys::sys_write(fd, text, size);
    sys::sys_close(fd);
    if (written < 0) return static_cast<int>(written);
    return static_cast<std::size_t>(written) == size ? 0 : -EIO;
}

// Each comes back by leave_namespaces: what is left to do is the host's.
int join_namespaces(Launch& launch) noexcept {
    for (Joined& joined : launch.container->joined) {
        if (joined.fd < 0) break;
        // By who clones there: its own number is to be one of ours.
        if (joined.type == CLONE_NEWPID && launch.container->clone != nullptr) continue;
        const int own = sys::sys_openat(kProcFd, own_namespace(joined.type), O_RDONLY | O_CLOEXEC);
        if (own < 0) return own;
        if (const int err = sys::sys_setns(joined.fd, joined.type); err < 0) return err;
        joined.own = own;
    }
    return 0;
}

int join_net_ns(Launch& launch) noexcept {
    const int net = launch.slot(slot_net_ns);
    if (!launch.is(Verb::start) || net < 0) return 0;
    const int err = sys::sys_setns(net, CLONE_NEWNET);
    launch.in_net_ns = err == 0;
    return err;
}

int enter_time_ns(Launch& launch) noexcept {
    const image::Header& h = launch.plan().header();
    if ((h.namespaces & ~h.joined & CLONE_NEWTIME) == 0) return 0;
    if (launch.container != nullptr) {
        Joined& last = launch.container->joined[kMaxJoined - 1];
        last.type = CLONE_NEWTIME;
        last.own = sys::sys_openat(kProcFd, own_namespace(CLONE_NEWTIME), O_RDONLY | O_CLOEXEC);
        if (last.own < 0) return last.own;
    }
    if (const int err = sys::sys_unshare(CLONE_NEWTIME); err < 0) return err;
    launch.in_time_ns = launch.container == nullptr;
    sys::TextBuffer<96> text;
    text.add("monotonic ");
    text.add(h.monotonic_offset);
    text.add(" 0\nboottime ");
    text.add(h.boottime_offset);
    text.add(" 0\n");
    return write_proc("self/timens_offsets", text.text(), text.size());
}

int visit_mode(Launch& launch) noexcept {
    const int err = sys::sys_setns(launch.slot(slot_pidfd), CLONE_NEWNS);
    launch.visiting = err == 0;
    return err;
}

int leave_namespaces(Launch& launch) noexcept {
    int err = 0;
    if (launch.in_net_ns) err |= sys::sys_setns(kOwnNetNsFd, CLONE_NEWNET);
    if (launch.in_time_ns) err |= sys::sys_setns(kOwnTimeNsFd, CLONE_NEWTIME);
    if (launch.in_pid_ns) err |= sys::sys_setns(kOwnPidNsFd, CLONE_NEWPID);
    if (launch.visiting) err |= sys::sys_setns(kOwnMountNsFd, CLONE_NEWNS);
    if (launch.container != nullptr) err |= leave_joined(*launch.container);
    if (launch.is_owner) err |= sys::sys_seteuid(0) | sys::sys_prctl(PR_SET_DUMPABLE, 0);
    launch.in_net_ns = launch.in_time_ns = launch.in_pid_ns = launch.is_owner = false;
    launch.visiting = false;
    return err;
}

}  // namespace pmos::launch
