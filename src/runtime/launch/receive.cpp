// launch: requests in, replies out. Trusts no size and no count; no heap.
#include <errno.h>

#include <cstring>

#include "runtime/launch/launcher.h"
#include "runtime/sys/file.h"
#include "runtime/sys/socket.h"

namespace pmos::launch {
namespace {

constexpr std::uint32_t kAllSlots = (1U << kMaxSlots) - 1;
constexpr std::uint32_t kStartNeeds = slot_plan | slot_cgroup | slot_root_tree | slot_status;
constexpr std::uint32_t kEnterNeeds = slot_plan | slot_cgroup | slot_pidfd;
constexpr std::uint32_t kDevicesNeed = slot_plan | slot_pidfd;

// Slots get their descriptors in the order of their bits.
int take_slots(Launch& launch, const msghdr& message) noexcept {
    const cmsghdr* control = CMSG_FIRSTHDR(&message);
    const int* fds = nullptr;
    std::size_t count = 0;
    if (control != nullptr) {
        if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) return -EBADMSG;
        count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        fds = reinterpret_cast<const int*>(CMSG_DATA(control));
    }
    std::size_t taken = 0;
    for (int bit = 0; bit < kMaxSlots; ++bit) {
        if ((launch.request.descriptors >> bit & 1U) == 0) continue;
        if (taken == count) return -EBADMSG;
        std::memcpy(&launch.slots[bit], fds + taken++, sizeof(int));
    }
    return taken == count ? 0 : -EBADMSG;
}

int check_request(const Request& r, long size) noexcept {
    if (size != sizeof(Request) || r.magic != kRequestMagic) return -EBADMSG;
    if ((r.descriptors & ~kAllSlots) != 0 || r.allocate_tty > 1 || r.take_away > 1) return -EBADMSG;
    std::uint32_t needed = 0;
    switch (r.verb) {
        case Verb::start:
            if (r.allocate_tty != 0 || (r.descriptors & slot_program) != 0) return -EBADMSG;
            needed = kStartNeeds;
            break;
        case Verb::enter:
            needed = kEnterNeeds;
            break;
        case Verb::devices:
            if (r.descriptors != kDevicesNeed || r.allocate_tty != 0) return -EBADMSG;
            needed = kDevicesNeed;
            break;
        default:
            return -EBADMSG;
    }
    return (r.descriptors & needed) == needed ? 0 : -EBADMSG;
}

}  // namespace

int receive_request(Launch& launch, int& refusal) noexcept {
    for (int& slot : launch.slots) slot = -1;
    alignas(cmsghdr) char control[CMSG_SPACE(kMaxSlots * sizeof(int))];
    iovec data{&launch.request, sizeof launch.request};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const long size = sys::sys_recvmsg(kSocketFd, &message, MSG_CMSG_CLOEXEC);
    if (size == -EINTR) return receive_request(launch, refusal);
    if (size < 0) return static_cast<int>(size);
    if (size == 0) return -EPIPE;
    refusal = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0
                  ? -EBADMSG
                  : check_request(launch.request, size);
    if (refusal == 0) refusal = take_slots(launch, message);
    return 0;
}

int send_reply(const Launch& launch, const ChildFailure& outcome) noexcept {
    Reply reply;
    reply.step = outcome.step;
    reply.sys_errno = outcome.sys_errno;
    reply.op = outcome.op;
    reply.pid = launch.pid;
    int fds[kMaxReplySlots];
    unsigned count = 0;
    const auto add = [&](ReplySlot slot, int fd) {
        if (fd < 0) return;
        reply.descriptors |= slot;
        fds[count++] = fd;
    };
    add(reply_pidfd, launch.pidfd);
    if (outcome.step == Step::none) {
        add(reply_tty, launch.tty);
        add(reply_listener, launch.listener);
    }

    alignas(cmsghdr) char control[CMSG_SPACE(sizeof fds)]{};
    iovec data{&reply, sizeof reply};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    if (count > 0) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        std::memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    }
    long sent = 0;
    do {
        sent = sys::sys_sendmsg(kSocketFd, &message, MSG_NOSIGNAL);
    } while (sent == -EINTR);
    return sent < 0 ? static_cast<int>(sent) : 0;
}

}  // namespace pmos::launch
