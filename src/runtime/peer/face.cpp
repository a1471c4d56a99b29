// peer: a socket on which D-Bus is spoken peer to peer. Who may come in, how many, and how much
// they may say. Knows no interface.
#include "runtime/peer/face.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace pmos::peer {
namespace {

constexpr std::uint64_t kMostUnread = 256;  // messages that a client leaves lying

}  // namespace

Result<std::unique_ptr<Face>> Face::make(event::EventLoop& loop, std::string path, Rules rules) {
    std::unique_ptr<Face> face(new Face(loop, std::move(path), std::move(rules)));
    PMOS_TRY(face->listen());
    return face;
}

Face::~Face() {
    *alive_ = false;
    if (listener_) ::unlink(path_.c_str());
}

// A mode's programs have other ids than its owner: there the directory is the door.
Result<> Face::listen() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.size() >= sizeof address.sun_path)
        return fail(Code::usage, "the path '" + path_ + "' is too long for a socket");
    std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return fail(errno_error(errno, "cannot make a socket"));
    ::unlink(path_.c_str());
    const mode_t before = ::umask(0777 & ~rules_.mode);
    const int bound = ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    const int why = errno;
    ::umask(before);
    if (bound != 0) return fail(errno_error(why, "cannot bind '" + path_ + "'"));
    listener_ = std::move(fd);
    if (::listen(listener_.get(), 16) != 0)
        return fail(errno_error(errno, "cannot listen on '" + path_ + "'"));
    incoming_ = loop_.on_io(listener_.borrow(), EPOLLIN, [this](std::uint32_t) { accept(); });
    return {};
}

void Face::accept() {
    UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    ucred who{};
    socklen_t size = sizeof who;
    if (!client || ::getsockopt(client.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return;
    if (peers_.size() >= rules_.most_peers || !rules_.admits(who)) return;
    auto& peer = peers_.emplace_back();
    peer.face = this;
    peer.name = fmt::format(":1.{}", ++next_);
    if (!start(peer, std::move(client))) peers_.pop_back();
}

// The ids inside a mode are others than those outside: what a client says of itself counts nothing,
// what the kernel says was looked at.
bool Face::start(Peer& peer, UniqueFd client) {
    UniqueFd server = std::move(client);
    if (rules_.guarded) {
        auto relay = Relay::make(loop_, std::move(server), server, rules_.most_bytes);
        if (!relay) return false;
        peer.relay = std::move(*relay);
    }
    sd_bus* bus = nullptr;
    sd_id128_t id{};
    if (sd_bus_new(&bus) < 0) return false;
    peer.bus.reset(bus);
    if (sd_id128_randomize(&id) < 0 || sd_bus_set_fd(bus, server.get(), server.get()) < 0)
        return false;
    static_cast<void>(server.release());
    if (sd_bus_set_server(bus, 1, id) < 0 || sd_bus_set_anonymous(bus, 1) < 0 ||
        sd_bus_set_trusted(bus, 1) < 0 ||
        sd_bus_negotiate_fds(bus, rules_.takes_descriptors ? 1 : 0) < 0)
        return false;
    if (rules_.prepare(peer) < 0 || sd_bus_set_connected_signal(bus, 1) < 0 ||
        sd_bus_start(bus) < 0)
        return false;
    if (sd_bus_add_filter(bus, nullptr, on_message, &peer) < 0) return false;
    if (sd_bus_match_signal(bus, nullptr, nullptr, "/org/freedesktop/DBus/Local",
                            "org.freedesktop.DBus.Local", "Disconnected", on_disconnected,
                            &peer) < 0 ||
        sd_bus_match_signal(bus, nullptr, nullptr, "/org/freedesktop/DBus/Local",
                            "org.freedesktop.DBus.Local", "Connected", on_connected, &peer) < 0 ||
        sd_bus_attach_event(bus, loop_.get(), SD_EVENT_PRIORITY_NORMAL) < 0)
        return false;
    peer.ready = true;
    return true;
}

// Not from within its own dispatch.
void Face::drop_soon(Peer& peer) {
    if (!std::exchange(peer.ready, false)) return;
    loop_.soon([this, alive = alive_, which = &peer] {
        if (!*alive) return;
        rules_.gone(*which);
        peers_.remove_if([which](const Peer& one) { return &one == which; });
    });
}

// What came in one piece with the end of the authentication has been read by then, and sd-bus (252)
// would look at it when more comes.
void Face::process_soon(Peer& peer) {
    loop_.soon([this, alive = alive_, which = &peer] {
        if (!*alive || std::ranges::none_of(peers_, [&](const Peer& p) { return &p == which; }))
            return;
        while (which->ready && sd_bus_process(which->bus.get(), nullptr) > 0) continue;
    });
}

int Face::on_connected(sd_bus_message*, void* userdata, sd_bus_error*) {
    auto& peer = *static_cast<Peer*>(userdata);
    peer.face->process_soon(peer);
    return 0;
}

int Face::on_disconnected(sd_bus_message*, void* userdata, sd_bus_error*) {
    auto& peer = *static_cast<Peer*>(userdata);
    peer.face->drop_soon(peer);
    return 0;
}

// One of a mode's that does not listen is let go before it fills the memory.
void Face::drop_if_deaf(Peer& peer) {
    std::uint64_t unread = 0;
    if (rules_.guarded && sd_bus_get_n_queued_write(peer.bus.get(), &unread) >= 0 &&
        unread > kMostUnread)
        drop_soon(peer);
}

int Face::on_message(sd_bus_message* message, void* userdata, sd_bus_error*) {
    auto& peer = *static_cast<Peer*>(userdata);
    // "Connected" and "Disconnected" are sd-bus's own.
    if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Local", nullptr) == 0)
        peer.spoke = true;
    peer.face->drop_if_deaf(peer);
    return 0;
}

}  // namespace pmos::peer
