// daemon: where the kernel's audit records come from. See audit_socket.h.
#include "runtime/daemon/audit_socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/text.h"
#include "runtime/host/small_file.h"

namespace pmos::daemon {
namespace {

constexpr std::size_t kMaxPrinted = 900;  // a record of the kernel's log holds 1024 with its header
constexpr int kAnswerMs = 2000;

Result<UniqueFd> open_socket(std::uint32_t groups) {
    UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_AUDIT));
    if (!fd) return fail(errno_error(errno, "cannot open the audit socket"));
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = groups;
    // A burst waits here while pmosd is at something else.
    const int room = 1 << 20;
    static_cast<void>(::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room));
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        return fail(errno_error(errno, "cannot listen to audit records"));
    return fd;
}

// The kernel's answer to the one message that was sent; records may come before it.
Result<> await_answer(BorrowedFd socket) {
    for (;;) {
        pollfd wait{socket.get(), POLLIN, 0};
        const int ready = ::poll(&wait, 1, kAnswerMs);
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) return fail(Code::timed_out, "the kernel does not answer the audit socket");
        alignas(nlmsghdr) char buffer[8970];  // MAX_AUDIT_MESSAGE_LENGTH
        const ssize_t n = ::recv(socket.get(), buffer, sizeof buffer, 0);
        nlmsghdr header{};
        nlmsgerr answer{};
        if (n < static_cast<ssize_t>(sizeof header)) continue;
        std::memcpy(&header, buffer, sizeof header);
        if (header.nlmsg_type != NLMSG_ERROR ||
            n < static_cast<ssize_t>(sizeof header + sizeof answer))
            continue;
        std::memcpy(&answer, buffer + NLMSG_HDRLEN, sizeof answer);
        if (answer.error == 0) return {};
        Error error = errno_error(-answer.error, "cannot collect audit records");
        if (answer.error == -EEXIST) error.code = Code::busy;
        return fail(std::move(error));
    }
}

}  // namespace

Result<UniqueFd> listen_to_audit() { return open_socket(1U << (AUDIT_NLGRP_READLOG - 1)); }

Result<UniqueFd> collect_audit() {
    PMOS_ASSIGN(UniqueFd fd, open_socket(0));
    struct {
        nlmsghdr header{};
        audit_status status{};
    } message;
    message.header.nlmsg_len = sizeof message;
    message.header.nlmsg_type = AUDIT_SET;
    message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    message.status.mask = AUDIT_STATUS_PID;
    message.status.pid = static_cast<std::uint32_t>(::getpid());
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    if (::sendto(fd.get(), &message, sizeof message, 0, reinterpret_cast<sockaddr*>(&kernel),
                 sizeof kernel) < 0)
        return fail(errno_error(errno, "cannot collect audit records"));
    PMOS_TRY(await_answer(fd.borrow()));
    return fd;
}

std::vector<std::string> other_audit_listeners() {
    std::vector<std::string> names;
    std::ifstream table("/proc/net/netlink");
    std::string line;
    std::getline(table, line);  // the columns' names
    while (std::getline(table, line)) {
        std::istringstream in(line);
        std::string address, groups;
        int protocol = 0, pid = 0;
        // A socket's port is its process, for the first of each.
        if (!(in >> address >> protocol >> pid >> groups) || protocol != NETLINK_AUDIT ||
            groups.find_first_not_of('0') == std::string::npos || pid == ::getpid())
            continue;
        auto name = host::read_small_file(fmt::format("/proc/{}/comm", pid)).value_or("");
        if (name.ends_with('\n')) name.pop_back();
        names.push_back(name.empty() ? "a program that cannot be named" : printable(name));
    }
    return names;
}

void print_audit_record(std::uint16_t type, std::string_view text) {
    const UniqueFd log(::open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NONBLOCK));
    std::string line = fmt::format("<5>audit: type={} {}", type, text.substr(0, text.find('\0')));
    if (line.size() > kMaxPrinted) line.resize(kMaxPrinted);
    line += '\n';  // until its end nobody can read it
    if (log) static_cast<void>(!::write(log.get(), line.data(), line.size()));
}

}  // namespace pmos::daemon
