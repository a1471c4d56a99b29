// sys: sockets and waiting. Raw system calls, noexcept, value or -errno; no heap.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include <cstdint>

#include "runtime/sys/raw.h"

namespace pmos::sys {

inline int sys_socketpair(int family, int type, int (&fds)[2]) noexcept {
    return static_cast<int>(raw(SYS_socketpair, family, type, 0, &fds[0]));
}
inline long sys_sendmsg(int fd, const msghdr* message, int flags) noexcept {
    return raw(SYS_sendmsg, fd, message, flags);
}
inline long sys_recvmsg(int fd, msghdr* message, int flags) noexcept {
    return raw(SYS_recvmsg, fd, message, flags);
}
// A negative timeout waits for ever. EINTR is the caller's.
inline int sys_poll(pollfd* fds, unsigned count, std::int64_t timeout_ms) noexcept {
    timespec limit{};
    limit.tv_sec = timeout_ms / 1000;
    limit.tv_nsec = timeout_ms % 1000 * 1000000;
    return static_cast<int>(
        raw(SYS_ppoll, fds, count, timeout_ms < 0 ? nullptr : &limit, nullptr, 0));
}
inline std::int64_t sys_monotonic_ms() noexcept {
    timespec now{};
    raw(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

}  // namespace pmos::sys
