// network: what the kernel tells a netlink socket unasked. Knows no family's words.
#pragma once

#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <span>
#include <vector>

#include "base/fd.h"

namespace pmos::network {

enum class Heard { nothing, some, missed };

// Each message that has come by now.
template <class F>
Heard hear(BorrowedFd fd, F f) {
    std::vector<char> bytes(65536);
    Heard heard = Heard::nothing;
    for (;;) {
        const ssize_t n = ::recv(fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == ENOBUFS) {
            heard = Heard::missed;
            continue;
        }
        if (n <= 0) return heard;
        if (heard == Heard::nothing) heard = Heard::some;
        std::span left(bytes.data(), static_cast<std::size_t>(n));
        while (left.size() >= sizeof(nlmsghdr)) {
            const auto& message = *reinterpret_cast<const nlmsghdr*>(left.data());
            if (message.nlmsg_len < sizeof(nlmsghdr) || message.nlmsg_len > left.size()) break;
            f(message);
            left = left.subspan(std::min<std::size_t>(NLMSG_ALIGN(message.nlmsg_len), left.size()));
        }
    }
}

}  // namespace pmos::network
