// cli: carries bytes between descriptors in a poll(2) loop. Knows nothing of modes or the bus.
#include "cli/pump.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace pmos::cli {
namespace {

constexpr std::size_t kWriteAtOnce = PIPE_BUF;

bool try_again(int err) { return err == EAGAIN || err == EINTR; }

}  // namespace

void Channel::finish_input() {
    eof_ = true;
    const std::size_t room = std::min(at_end_.size(), buffer_.size() - used_);
    std::copy_n(at_end_.begin(), room, buffer_.begin() + static_cast<std::ptrdiff_t>(used_));
    used_ += room;
    close_when_done();
}

void Channel::close_when_done() {
    if (drained()) owned_.reset();
}

void Channel::readable() {
    if (!wants_read()) return;
    const ssize_t n = ::read(from_.get(), buffer_.data() + used_, buffer_.size() - used_);
    if (n < 0 && try_again(errno)) return;
    // EIO: the last one who had the other side of a pty open has closed it, or the user's
    // terminal is gone. Both are the end.
    if (n < 0 && errno != EIO) error_ = errno_error(errno, "cannot read what is to be passed on");
    if (n <= 0) {
        finish_input();
        return;
    }
    used_ += static_cast<std::size_t>(n);
    carried_ += static_cast<std::size_t>(n);
}

void Channel::writable() {
    if (!wants_write()) return;
    const std::size_t size = std::min(used_ - begin_, kWriteAtOnce);
    const ssize_t n = ::write(to_.get(), buffer_.data() + begin_, size);
    if (n < 0 && try_again(errno)) return;
    if (n < 0) {
        const bool end = lost_reader_is_end_ && (errno == EPIPE || errno == EIO);
        if (!end) error_ = errno_error(errno, "cannot pass the output on");
        begin_ = used_ = 0;
        eof_ = true;
    } else {
        begin_ += static_cast<std::size_t>(n);
        if (begin_ == used_) begin_ = used_ = 0;
    }
    close_when_done();
}

Result<std::vector<short>> poll_once(std::vector<Channel>& channels, std::vector<pollfd> extra,
                                     int timeout_ms) {
    const std::size_t own = extra.size();
    for (const auto& channel : channels) {
        // A negative descriptor is left out by poll(2): POLLHUP would make the loop spin.
        extra.push_back({channel.wants_read() ? channel.from().get() : -1, POLLIN, 0});
        extra.push_back({channel.wants_write() ? channel.to().get() : -1, POLLOUT, 0});
    }
    if (::poll(extra.data(), extra.size(), timeout_ms) < 0) {
        if (errno != EINTR) return fail(errno_error(errno, "cannot wait"));
        return std::vector<short>(own, 0);
    }
    for (std::size_t i = 0; i < channels.size(); ++i) {
        if (extra[own + 2 * i].revents != 0) channels[i].readable();
        if (extra[own + 2 * i + 1].revents != 0) channels[i].writable();
    }
    std::vector<short> events;
    for (std::size_t i = 0; i < own; ++i) events.push_back(extra[i].revents);
    return events;
}

Result<> set_nonblocking(BorrowedFd fd) {
    const int flags = ::fcntl(fd.get(), F_GETFL);
    if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) < 0)
        return fail(errno_error(errno, "cannot make a descriptor non-blocking"));
    return {};
}

}  // namespace pmos::cli
