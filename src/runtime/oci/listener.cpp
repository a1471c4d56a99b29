// oci: gives the descriptor of a filter that asks to who answers (linux/seccomp/listenerPath).
// Answers nothing itself.
#include "runtime/oci/listener.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "base/directory.h"
#include "base/text.h"
#include "policy/oci_config.h"

namespace pmos::oci {
namespace {

// A container waits for it, and so does who started it.
constexpr time_t kLimitSeconds = 10;

Error failed(int err, std::string what) {
    Error error = errno_error(err, std::move(what));
    if (err != EAGAIN) return error;
    error.code = Code::timed_out;
    error.why = fmt::format("it did not take it within {} s", kLimitSeconds);
    return error;
}

// What one sendmsg took of the bytes; the descriptor goes with the first.
ssize_t send_first(BorrowedFd listener, BorrowedFd filter, std::string_view bytes) {
    const int fd = filter.get();
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)]{};
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = &control[0];
    message.msg_controllen = sizeof control;
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    return ::sendmsg(listener.get(), &message, MSG_NOSIGNAL);
}

}  // namespace

std::string to_json(const ProcessState& state) {
    std::string json = fmt::format(R"({{"ociVersion":{},"fds":["seccompFd"],"pid":{})",
                                   json_quote(policy::oci::kVersion), state.pid);
    if (!state.metadata.empty())
        json += fmt::format(R"(,"metadata":{})", json_quote(state.metadata));
    return json + fmt::format(R"(,"state":{}}})", state.state);
}

Result<UniqueFd> connect_listener(const std::string& path) {
    const std::string what = fmt::format("cannot reach the seccomp agent at '{}'", printable(path));
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) return fail(errno_error(errno, what));
    const timeval limit{kLimitSeconds, 0};
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0)
        return fail(errno_error(errno, what));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::string name = path;
    UniqueFd directory;
    // An address has 108 bytes, a path more.
    if (name.size() >= sizeof address.sun_path) {
        directory.reset(::open(directory_of(path).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!directory) return fail(errno_error(errno, what));
        name = fmt::format("/proc/self/fd/{}/{}", directory.get(),
                           path.substr(path.find_last_of('/') + 1));
    }
    if (name.size() >= sizeof address.sun_path) return fail(errno_error(ENAMETOOLONG, what));
    std::memcpy(address.sun_path, name.data(), name.size());
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return fail(failed(errno, what));
    return fd;
}

Result<> send_process_state(BorrowedFd listener, BorrowedFd filter, const ProcessState& state) {
    const std::string what = "cannot give the filter to the seccomp agent";
    const std::string json = to_json(state);
    std::string_view rest = json;
    while (!rest.empty()) {
        const bool first = rest.size() == json.size();
        const ssize_t sent = first ? send_first(listener, filter, rest)
                                   : ::send(listener.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return fail(failed(errno, what));
        rest.remove_prefix(static_cast<std::size_t>(sent));
    }
    return {};
}

}  // namespace pmos::oci
