// peer: between a client and who serves it: bytes and no descriptors, of messages that are not too
// large. Ends when either side does, and keeps nothing of what has gone through.
#include "runtime/peer/relay.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

namespace pmos::peer {

Result<std::unique_ptr<Relay>> Relay::make(event::EventLoop& loop, UniqueFd client,
                                           UniqueFd& server, std::uint32_t most_bytes) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return fail(errno_error(errno, "cannot make a pair of sockets"));
    std::unique_ptr<Relay> relay(new Relay(loop, most_bytes));
    relay->client_ = std::move(client);
    relay->inner_.reset(ends[0]);
    server.reset(ends[1]);
    relay->arm();
    return relay;
}

// Reads on while there is room, and writes while there is something.
void Relay::arm() {
    const auto events = [](const Way& fill, const Way& drain) {
        return (fill.empty() ? std::uint32_t{EPOLLIN} : 0U) |
               (drain.empty() ? 0U : std::uint32_t{EPOLLOUT});
    };
    const auto set = [this](event::EventSource& source, std::uint32_t& now, std::uint32_t wanted,
                            const UniqueFd& fd) {
        if (source && now == wanted) return;
        now = wanted;
        source.reset();  // the kernel takes no descriptor twice
        source = loop_.on_io(fd.borrow(), wanted, [this](std::uint32_t) { turn(); });
    };
    set(on_client_, client_events_, events(in_, out_), client_);
    set(on_inner_, inner_events_, events(out_, in_), inner_);
}

bool Relay::read(int from, Way& way, bool guarded) {
    if (!way.empty()) return true;
    const ssize_t n = ::recv(from, way.bytes.data(), way.bytes.size(), 0);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (n == 0) return false;
    way.begin = 0;
    way.end = static_cast<std::size_t>(n);
    return !guarded || guard_.take(std::span(way.bytes).first(way.end));
}

bool Relay::write(int to, Way& way) {
    while (!way.empty()) {
        const ssize_t n =
            ::send(to, way.bytes.data() + way.begin, way.end - way.begin, MSG_NOSIGNAL);
        if (n < 0) return errno == EAGAIN || errno == EINTR;
        way.begin += static_cast<std::size_t>(n);
        if (way.empty()) ::explicit_bzero(way.bytes.data(), way.end);
    }
    return true;
}

void Relay::turn() {
    const int client = client_.get(), inner = inner_.get();
    if (!read(client, in_, true) || !write(inner, in_) || !read(inner, out_, false) ||
        !write(client, out_))
        return stop();
    arm();
}

// The server sees the end of its connection, and lets this go.
void Relay::stop() {
    on_client_.reset();
    on_inner_.reset();
    client_.reset();
    inner_.reset();
}

}  // namespace pmos::peer
