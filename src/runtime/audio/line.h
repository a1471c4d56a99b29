// audio: how pmos-audio and a mode's pmos-audio-port ring each other up: by a datagram socket, of
// which the one end is pmos-audio's own and takes nothing, and by an eventfd that pmos-audio waits
// for and never reads. Whatever the other side does to its descriptors, or sends, this one neither
// waits nor turns.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::audio {

// The first rings, the second hears.
inline Result<std::array<UniqueFd, 2>> make_line() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) != 0)
        return fail(errno_error(errno, "cannot make a line"));
    std::array line{UniqueFd(ends[0]), UniqueFd(ends[1])};
    if (::shutdown(ends[0], SHUT_RD) != 0) return fail(errno_error(errno, "cannot shut a line"));
    return line;
}

// Where the line is full, the other side has enough to hear.
inline void ring_up(BorrowedFd end) noexcept {
    static_cast<void>(::send(end.get(), "", 1, MSG_DONTWAIT | MSG_NOSIGNAL));
}

inline void hear_out(BorrowedFd end) noexcept {
    char ring = 0;
    for (int i = 0; i < 64 && ::recv(end.get(), &ring, 1, MSG_DONTWAIT) >= 0; ++i) continue;
}

}  // namespace pmos::audio
