// oci: the terminal of a container. See console.h.
#include "runtime/oci/console.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace pmos::oci {
namespace {

termios before;  // of our terminal; there is one

bool write_all(int fd, const char* data, ssize_t size) {
    while (size > 0) {
        const ssize_t n = ::write(fd, data, static_cast<std::size_t>(size));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        data += n;
        size -= n;
    }
    return true;
}

}  // namespace

Result<> send_console(const std::string& path, BorrowedFd master) {
    const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    if (path.size() >= sizeof to.sun_path)
        return fail(Code::usage, "the path of the console's socket is too long");
    std::memcpy(to.sun_path, path.c_str(), path.size());
    if (!socket || ::connect(socket.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
        return fail(errno_error(errno, "cannot reach the console's socket '" + path + "'"));
    char name[] = "/dev/ptmx";
    iovec data{name, sizeof name - 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    const int fd = master.get();
    std::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    if (::sendmsg(socket.get(), &message, MSG_NOSIGNAL) < 0)
        return fail(errno_error(errno, "cannot hand the console over"));
    return {};
}

Result<Relay> Relay::begin(UniqueFd master) {
    Relay made(std::move(master));
    made.take_size();
    if (::tcgetattr(0, &before) != 0) return made;
    termios raw = before;
    ::cfmakeraw(&raw);
    if (::tcsetattr(0, TCSANOW, &raw) != 0)
        return fail(errno_error(errno, "cannot set this terminal up"));
    made.raw_ = true;
    return made;
}

Relay::Relay(Relay&& other) noexcept
    : master_(std::move(other.master_)), raw_(std::exchange(other.raw_, false)) {}

Relay::~Relay() {
    if (raw_) ::tcsetattr(0, TCSANOW, &before);
}

bool Relay::from_master() const {
    std::array<char, 4096> bytes;
    const ssize_t n = ::read(master_.get(), bytes.data(), bytes.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return true;
    return n > 0 && write_all(1, bytes.data(), n);
}

bool Relay::from_us() const {
    std::array<char, 4096> bytes;
    const ssize_t n = ::read(0, bytes.data(), bytes.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return true;
    return n > 0 && write_all(master_.get(), bytes.data(), n);
}

void Relay::take_size() const {
    winsize size{};
    if (::ioctl(0, TIOCGWINSZ, &size) == 0) ::ioctl(master_.get(), TIOCSWINSZ, &size);
}

}  // namespace pmos::oci
