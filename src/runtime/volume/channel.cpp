// volume: the worker's end of the socket: one request in, events out, and whether to go on.
// Never logs.
#include "runtime/volume/channel.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace pmos::volume {
namespace {

constexpr std::size_t kMaxDescriptors = 2;

void take_descriptors(msghdr& message, Received& into) {
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        std::array<int, kMaxDescriptors> fds{-1, -1};
        const std::size_t size = std::min(c->cmsg_len - CMSG_LEN(0), sizeof fds);
        std::memcpy(fds.data(), CMSG_DATA(c), size);
        into.secret.reset(fds[0]);
        into.other.reset(fds[1]);
    }
}

// Whether they are those that the request speaks of; puts one that came alone in its place.
bool sort_descriptors(Received& received) {
    if (received.request.brings == kBringsOther) std::swap(received.secret, received.other);
    const std::uint32_t came =
        (received.secret ? kBringsSecret : 0) | (received.other ? kBringsOther : 0);
    return came == received.request.brings;
}

template <std::size_t N>
void put_cut(char (&field)[N], std::string_view value) {
    std::ranges::copy(value.substr(0, std::min(value.size(), N - 1)), field);
}

}  // namespace

Result<Received> Channel::receive() {
    Received received;
    iovec part{&received.request, sizeof received.request};
    alignas(cmsghdr) char control[CMSG_SPACE(kMaxDescriptors * sizeof(int))]{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t n = 0;
    do n = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0) return fail(errno_error(errno, "cannot read the volume request"));
    take_descriptors(message, received);
    if (n != static_cast<ssize_t>(sizeof received.request) ||
        (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
        return fail(Code::usage, "volume request refused", "its size is wrong");
    if (!sort_descriptors(received))
        return fail(Code::usage, "volume request refused",
                    "its descriptors are others than it says");
    return received;
}

Result<void> Channel::catch_signals() {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : {SIGTERM, SIGHUP, SIGINT}) ::sigaddset(&set, signal);
    if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0)
        return fail(errno_error(errno, "cannot block signals"));
    signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_) return fail(errno_error(errno, "cannot watch signals"));
    return {};
}

Result<void> Channel::check() {
    std::array<pollfd, 2> fds{pollfd{socket_.get(), POLLRDHUP, 0},
                              pollfd{signals_.get(), POLLIN, 0}};
    if (!cancelled_ && ::poll(fds.data(), fds.size(), 0) > 0)
        cancelled_ = (fds[0].revents & (POLLHUP | POLLRDHUP | POLLERR)) != 0 ||
                     (fds[1].revents & POLLIN) != 0;
    if (cancelled_)
        return fail(Code::cancelled, "cancelled", step_.empty() ? "" : "while " + step_);
    return {};
}

Result<void> Channel::progress(std::uint32_t permille, std::string_view step) {
    PMOS_TRY(check());
    step_ = step;
    Event event;
    event.permille = permille;
    put_cut(event.step, step);
    return send(event);
}

Result<void> Channel::detail(std::string_view name, std::string_view value) {
    Event event;
    event.kind = EventKind::detail;
    put_cut(event.step, name);
    put_cut(event.what, value);
    return send(event);
}

Result<void> Channel::keys_ended() {
    Event event;
    event.kind = EventKind::keys_ended;
    return send(event);
}

Result<void> Channel::send(const Event& event) {
    if (::send(socket_.get(), &event, sizeof event, MSG_NOSIGNAL) < 0)
        return fail(errno == EPIPE ? Code::cancelled : Code::failed, "cannot answer pmosd",
                    std::strerror(errno));
    return {};
}

Result<bool> Channel::wait_for(BorrowedFd pidfd) {
    for (;;) {
        std::array<pollfd, 3> fds{pollfd{pidfd.get(), POLLIN, 0},
                                  pollfd{socket_.get(), POLLRDHUP, 0},
                                  pollfd{signals_.get(), POLLIN, 0}};
        if (::poll(fds.data(), fds.size(), -1) < 0) {
            if (errno == EINTR) continue;
            return fail(errno_error(errno, "cannot wait for a program"));
        }
        if (fds[0].revents != 0) return true;
        if (!check()) return false;
    }
}

}  // namespace pmos::volume
