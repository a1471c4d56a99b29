// network: pmos-net-lookup, which asks the phone's resolver for one name and ends. It has no power
// and no secret; what the network answers is read by nobody else.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <netdb.h>
#include <sys/prctl.h>

#include <csignal>

#include "runtime/sys/process.h"

namespace {

constexpr int kMost = 16;

bool give_up_power() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    const __user_cap_data_struct none[2]{};
    return pmos::sys::sys_capset(&header, none) == 0 &&
           ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        fmt::print(stderr, "pmos-net-lookup is started by pmos-net, not by hand\n");
        return 2;
    }
    if (!give_up_power()) return fmt::print(stderr, "cannot give up power\n"), 1;
    addrinfo hints{};
    hints.ai_socktype = SOCK_DGRAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* found = nullptr;
    if (const int error = ::getaddrinfo(argv[1], nullptr, &hints, &found); error != 0) {
        fmt::print(stderr, "{}\n", ::gai_strerror(error));
        return 1;
    }
    int count = 0;
    for (const addrinfo* one = found; one != nullptr && count < kMost; one = one->ai_next) {
        char text[INET6_ADDRSTRLEN] = "";
        const void* bytes = nullptr;
        if (one->ai_family == AF_INET)
            bytes = &reinterpret_cast<const sockaddr_in*>(one->ai_addr)->sin_addr;
        if (one->ai_family == AF_INET6)
            bytes = &reinterpret_cast<const sockaddr_in6*>(one->ai_addr)->sin6_addr;
        if (bytes == nullptr || !::inet_ntop(one->ai_family, bytes, text, sizeof text)) continue;
        fmt::print("{}\n", text);
        ++count;
    }
    ::freeaddrinfo(found);
    return count > 0 ? 0 : 1;
}
