// network: pmos-net-key, the one process that sees a tunnel's secret keys: "set" hands them from a
// pipe to the kernel, "show" leaves them out of what the kernel says. Then it ends. Descriptor 3 is
// a socket of generic netlink in the mode's namespace.
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <string_view>

#include "base/secret.h"
#include "runtime/network/wireguard.h"

namespace pmos::network {
namespace {

constexpr int kSocket = 3;
constexpr std::size_t kMessage = 4096, kDump = 65536;

Result<> harden() {
    const rlimit no_core{0, 0};
    if (::prctl(PR_SET_DUMPABLE, 0) != 0 || ::setrlimit(RLIMIT_CORE, &no_core) != 0)
        return fail(errno_error(errno, "cannot forbid core dumps"));
    if (::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
        return fail(errno_error(errno, "cannot lock memory", "raise RLIMIT_MEMLOCK"));
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return fail(errno_error(errno, "cannot set process attributes"));
    return {};
}

Result<> send(std::span<const std::byte> message) {
    if (::send(kSocket, message.data(), message.size(), 0) != static_cast<ssize_t>(message.size()))
        return fail(errno_error(errno, "cannot ask WireGuard"));
    return {};
}

// Each message of the answer, to its end. What the kernel refuses it may repeat, key and all.
template <class F>
Result<> answer(F f) {
    PMOS_ASSIGN(auto memory, SecretBuffer::make(kDump));
    const auto room = memory.storage();
    for (;;) {
        const ssize_t n = ::recv(kSocket, room.data(), room.size(), 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(errno_error(errno, "WireGuard does not answer"));
        auto left = room.first(static_cast<std::size_t>(n));
        while (left.size() >= sizeof(nlmsghdr)) {
            const auto& message = *reinterpret_cast<const nlmsghdr*>(left.data());
            if (message.nlmsg_len < sizeof(nlmsghdr) || message.nlmsg_len > left.size()) break;
            if (message.nlmsg_type == NLMSG_DONE) return {};
            if (message.nlmsg_type == NLMSG_ERROR) {
                const auto& error = *static_cast<const nlmsgerr*>(NLMSG_DATA(&message));
                return error.error == 0 ? Result<>()
                                        : fail(errno_error(-error.error, "WireGuard says no"));
            }
            f(message);
            left = left.subspan(std::min<std::size_t>(NLMSG_ALIGN(message.nlmsg_len), left.size()));
        }
    }
}

Result<> tell(std::span<const std::byte> message) {
    PMOS_TRY(send(message));
    return answer([](const nlmsghdr&) {});
}

// The keys of the pipe: the private one, and behind it of each peer the public one and the
// preshared one.
Result<> set_keys(const Device& device, std::size_t peers) {
    constexpr std::size_t kPair = 2 * kKeySize;
    const std::size_t size = kKeySize + peers * kPair;
    PMOS_ASSIGN(auto keys, SecretBuffer::make(size));
    const auto all = keys.storage().first(size);
    auto left = all;
    while (!left.empty()) {
        const ssize_t n = ::read(STDIN_FILENO, left.data(), left.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(errno_error(errno, "cannot read the keys"));
        if (n == 0) return fail(Code::usage, "there are fewer keys than the tunnel needs");
        left = left.subspan(static_cast<std::size_t>(n));
    }
    PMOS_ASSIGN(auto memory, SecretBuffer::make(kMessage));
    PMOS_TRY(tell(key_message(memory.storage(), device, all.first<kKeySize>())));
    for (auto pairs = all.subspan(kKeySize); !pairs.empty(); pairs = pairs.subspan(kPair)) {
        const auto key = pairs.subspan<kKeySize, kKeySize>();
        // To the kernel these are the word for none.
        if (std::ranges::all_of(key, [](auto byte) { return byte == std::byte{0}; }))
            return fail(Code::usage, "a preshared key of zeros is none");
        PMOS_TRY(tell(preshared_message(memory.storage(), device, pairs.first<kKeySize>(), key)));
    }
    return {};
}

Result<> show(const Device& device) {
    PMOS_ASSIGN(auto memory, SecretBuffer::make(kMessage));
    PMOS_TRY(send(state_message(memory.storage(), device)));
    TunnelState state;
    PMOS_TRY(answer([&](const nlmsghdr& message) { add_state(state, message); }));
    fmt::print("{}", state_text(state));
    return {};
}

template <class T>
bool read(std::string_view text, T& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size();
}

}  // namespace
}  // namespace pmos::network

int main(int argc, char** argv) {
    using namespace pmos::network;
    Device device;
    std::uint8_t peers = 0;
    const std::string_view verb = argc >= 4 ? argv[1] : "";
    const bool known =
        (verb == "show" && argc == 4) || (verb == "set" && argc == 5 && read(argv[4], peers));
    if (!known || !read(argv[2], device.family) || !read(argv[3], device.index)) {
        fmt::print(stderr, "pmos-net-key is started by pmos-net, not by hand\n");
        return 2;
    }
    auto done = harden();
    if (done) done = verb == "set" ? set_keys(device, peers) : show(device);
    if (done) return 0;
    fmt::print(stderr, "{}\n", done.error().message());
    return 1;
}
