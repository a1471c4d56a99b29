// launch child: the hand-shake with the launcher, and what belongs to session and host name. Runs
// after clone3: no heap, no locks.
#include <errno.h>
#include <linux/keyctl.h>
#include <linux/sched.h>

#include <cstring>

#include "runtime/launch/child/child.h"
#include "runtime/sys/file.h"
#include "runtime/sys/process.h"
#include "runtime/sys/socket.h"

namespace pmos::launch {
namespace {

int become_root() noexcept {
    if (const int err = sys::sys_setresgid(0); err < 0) return err;
    return sys::sys_setresuid(0);
}

// From here on the child is root of the mode, no longer root of the phone.
int become_mode_root() noexcept {
    const int err = sys::sys_setgroups(0, nullptr);
    return err < 0 ? err : become_root();
}

// An ordinary user's namespace may have no other groups.
int become_container_root(const ContainerParts& parts) noexcept {
    return parts.denies_groups ? become_root() : become_mode_root();
}

}  // namespace

int tell_launcher(int socket, const ChildFailure& message, int fd) noexcept {
    ChildFailure copy = message;
    iovec data{&copy, sizeof copy};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)]{};
    msghdr header{};
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    if (fd >= 0) {
        header.msg_control = control;
        header.msg_controllen = sizeof control;
        cmsghdr* rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
        const long sent = sys::sys_sendmsg(socket, &header, MSG_NOSIGNAL);
        return sent < 0 ? static_cast<int>(sent) : 0;
    }
    // write(2) and no sendmsg(2): a mode's filter may know no sockets, and this is used behind it.
    const long sent = sys::sys_write(socket, &copy, sizeof copy);
    return sent < 0 ? static_cast<int>(sent) : 0;
}

int await_launcher(const Child& child) noexcept {
    char go = 0;
    long size = 0;
    do {
        size = sys::sys_read(child.launch.child_report, &go, 1);
    } while (size == -EINTR);
    if (size < 0) return static_cast<int>(size);
    return size == 0 ? -EPIPE : 0;
}

int sync_with_launcher(Child& child) noexcept {
    sys::sys_close(child.launch.report);  // so that a dead launcher reads as end of file
    if (const int err = await_launcher(child); err < 0) return err;
    return child.launch.is(Verb::start) ? become_mode_root() : 0;
}

int sync_container(Child& child) noexcept {
    const Launch& launch = child.launch;
    sys::sys_close(launch.report);
    if (const int err = await_launcher(child); err < 0) return err;
    const image::Header& h = child.header();
    child.state_at_start = launch.container->state_at_start;
    sys::sys_umask(0);
    const std::uint64_t none = 0;
    if (const int err = sys::sys_sigprocmask(SIG_SETMASK, &none, nullptr); err < 0) return err;
    if (!launch.is(Verb::start) || (h.namespaces & CLONE_NEWUSER) == 0) return 0;
    return become_container_root(*launch.container);
}

int enter_namespaces(Child& child) noexcept {
    if (const auto* container = child.launch.container; container != nullptr) {
        const int err = sys::sys_setns(child.launch.slot(slot_pidfd), container->enter_types);
        if (err < 0 || (container->enter_types & CLONE_NEWUSER) == 0) return err;
        return become_container_root(*container);
    }
    const std::uint64_t all = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS |
                              CLONE_NEWNET | CLONE_NEWCGROUP | CLONE_NEWTIME;
    // The pid namespace came with clone3.
    const int err = sys::sys_setns(child.launch.slot(slot_pidfd), child.header().namespaces & all);
    return err < 0 ? err : become_mode_root();
}

int start_session(Child& child) noexcept {
    if (const int err = sys::sys_setsid(); err < 0) return err;
    // CLONE_NEWCGROUP at clone3 would take the launcher's cgroup for the root, whatever
    // CLONE_INTO_CGROUP says.
    const image::Header& h = child.header();
    if (child.launch.is(Verb::start) && (h.namespaces & ~h.joined & CLONE_NEWCGROUP) != 0)
        if (const int err = sys::sys_unshare(CLONE_NEWCGROUP); err < 0) return err;
    const int ring = sys::sys_keyctl(KEYCTL_JOIN_SESSION_KEYRING, nullptr);
    // Without CONFIG_KEYS there is no keyring to share.
    return ring < 0 && ring != -ENOSYS ? ring : 0;
}

int set_hostname(Child& child) noexcept {
    if ((child.header().namespaces & CLONE_NEWUTS) == 0) return 0;
    const image::Text name = child.header().hostname, domain = child.header().domainname;
    const bool is_container = child.header().container != 0;
    if (name.size != 0 || !is_container)
        if (const int err = sys::sys_sethostname(child.plan().text(name), name.size); err < 0)
            return err;
    if (is_container && domain.size == 0) return 0;
    return sys::sys_setdomainname(child.plan().text(domain), domain.size);
}

}  // namespace pmos::launch
