// sys: whether the kernel has a cipher. Raw system calls, noexcept, value or -errno; never sees a
// key.
#pragma once

#include <errno.h>
#include <linux/if_alg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace pmos::sys {

// By binding a socket to it, which loads its module. -ENOENT: no such cipher, or no such sockets.
inline int sys_bind_cipher(std::string_view name) noexcept {
    const int fd = ::socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    sockaddr_alg address{};
    address.salg_family = AF_ALG;
    std::memcpy(address.salg_type, "skcipher", sizeof "skcipher");
    const auto size = std::min(name.size(), sizeof address.salg_name - 1);
    std::memcpy(address.salg_name, name.data(), size);
    const int bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const int r = bound == 0 ? 0 : -errno;
    ::close(fd);
    return r;
}

// Known to lack it. A kernel that does not answer at all, not even for what all of them have, is
// known for nothing.
inline bool sys_lacks_cipher(std::string_view name) noexcept {
    if (sys_bind_cipher(name) != -ENOENT) return false;
    for (const std::string_view common : {"cbc(aes)", "ctr(aes)", "xts(aes)"})
        if (sys_bind_cipher(common) == 0) return true;
    return false;
}

}  // namespace pmos::sys
