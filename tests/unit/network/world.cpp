// tests: a phone in a namespace of its own, with an uplink to a peer in another, and modes.
#include "world.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "runtime/network/net_ns.h"
#include "runtime/network/part.h"
#include "runtime/network/rules.h"
#include "runtime/network/wire.h"

namespace pmos::network {
namespace {

constexpr Mac kUp{0x02, 0, 0, 0, 0, 1}, kDown{0x02, 0, 0, 0, 0, 2};

struct Address {
    sockaddr_storage bytes{};
    socklen_t size = 0;
};
Address address_of(const std::string& text, int port) {
    Address made;
    const auto parsed = prefix(text);
    if (parsed.v6) {
        auto& v6 = reinterpret_cast<sockaddr_in6&>(made.bytes);
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(static_cast<std::uint16_t>(port));
        std::memcpy(&v6.sin6_addr, parsed.bytes.data(), 16);
        made.size = sizeof v6;
    } else {
        auto& v4 = reinterpret_cast<sockaddr_in&>(made.bytes);
        v4.sin_family = AF_INET;
        v4.sin_port = htons(static_cast<std::uint16_t>(port));
        std::memcpy(&v4.sin_addr, parsed.bytes.data(), 4);
        made.size = sizeof v4;
    }
    return made;
}

UniqueFd socket_in(const World& world, BorrowedFd netns, int family, int type) {
    const auto make = [&]() -> Result<UniqueFd> {
        return UniqueFd(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    };
    auto made = netns ? world.phone.home.inside(netns, make) : make();
    REQUIRE(made);
    return std::move(*made);
}

void uplink(const Links& links, const std::string& name, const std::vector<std::string>& own,
            const std::vector<std::string>& others, const Mac& other) {
    const auto link = links.find(name);
    REQUIRE((link && *link));
    for (const auto& address : own) REQUIRE(links.add_address((*link)->index, prefix(address)));
    REQUIRE(links.set_up((*link)->index, true));
    for (const auto& address : others)
        REQUIRE(links.add_neighbour((*link)->index, prefix(address), other));
}

Phone fresh_phone() {
    REQUIRE(::unshare(CLONE_NEWNET) == 0);
    auto phone = Phone::open();
    REQUIRE(phone);
    REQUIRE(phone->links.set_up(1, true));
    return std::move(*phone);
}

}  // namespace

IpPrefix prefix(const std::string& text) {
    const auto slash = text.find('/');
    const auto address = text.substr(0, slash);
    IpPrefix made;
    made.v6 = address.find(':') != std::string::npos;
    REQUIRE(::inet_pton(made.v6 ? AF_INET6 : AF_INET, address.c_str(), made.bytes.data()) == 1);
    made.length = slash == std::string::npos
                      ? whole_length(made.v6)
                      : static_cast<std::uint8_t>(std::stoi(text.substr(slash + 1)));
    return made;
}

policy::FlowRule flow(const std::string& to, policy::Protocol protocol, unsigned first,
                      unsigned last) {
    policy::FlowRule rule;
    rule.prefix = prefix(to);
    rule.protocol = protocol;
    rule.port_first = static_cast<std::uint16_t>(first);
    rule.port_last = static_cast<std::uint16_t>(last);
    return rule;
}

policy::NetworkPlan direct() {
    policy::NetworkPlan plan;
    plan.zone = policy::Zone::direct;
    return plan;
}

policy::NetworkPlan restricted(std::vector<policy::FlowRule> allow) {
    auto plan = direct();
    plan.restricted = true;
    plan.allow = std::move(allow);
    return plan;
}

World::World() : phone(fresh_phone()) {
    auto made = make_net_namespace(true);
    REQUIRE(made);
    peer = std::move(*made);
    REQUIRE(phone.links.make_wire({"up0", "peer0", kUp, kDown, peer.borrow()}));
    uplink(phone.links, "up0", {"192.0.2.2/24", "2001:db8::2/64"}, {"192.0.2.1", "2001:db8::1"},
           kDown);
    const auto room = Room::open(phone.home, peer.borrow());
    REQUIRE(room);
    uplink(room->links, "peer0",
           {"192.0.2.1/24", "198.51.100.1/32", "198.51.100.2/32", "198.51.100.3/32",
            "2001:db8::1/64", "2001:db8:1::1/128", "2001:db8:1::2/128", "2001:db8:1::3/128"},
           {"192.0.2.2", "2001:db8::2"}, kUp);
    const auto up = phone.links.find("up0");
    for (const auto& gateway : {"192.0.2.1", "2001:db8::1"}) {
        const auto through = prefix(gateway);
        IpPrefix everywhere;
        everywhere.v6 = through.v6;
        REQUIRE(phone.links.add_route(everywhere, (*up)->index, &through));
    }
}

UniqueFd World::mode() const {
    auto made = make_net_namespace(true);
    REQUIRE(made);
    return std::move(*made);
}

std::string World::tables() const {
    std::string text;
    const auto all = phone.nft.tables();
    REQUIRE(all);
    for (const auto& table : *all) text += table + "\n";
    return text;
}

bool World::gone(const std::string& mode, BorrowedFd netns) const {
    const auto room = Room::open(phone.home, netns);
    REQUIRE(room);
    const auto links = room->links.all();
    const auto inner = room->nft.tables();
    const auto wire = wire_of(phone, mode);
    const auto table = phone.nft.has_table(kWireFamily, wire_table(mode));
    REQUIRE((links && inner && wire && table));
    return links->size() == 1 && inner->empty() && !*wire && !*table;
}

UniqueFd listen_in(const World& world, BorrowedFd netns, const std::string& address, int port,
                   int type) {
    auto fd = socket_in(world, netns, prefix(address).v6 ? AF_INET6 : AF_INET, type);
    const int yes = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    const auto to = address_of(address, port);
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&to.bytes), to.size) == 0);
    if (type == SOCK_STREAM) REQUIRE(::listen(fd.get(), 8) == 0);
    return fd;
}

Connection connect_in(const World& world, BorrowedFd netns, const std::string& address, int port,
                      int patience_ms) {
    const auto to = address_of(address, port);
    Connection made;
    made.fd = socket_in(world, netns, prefix(address).v6 ? AF_INET6 : AF_INET, SOCK_STREAM);
    if (::connect(made.fd.get(), reinterpret_cast<const sockaddr*>(&to.bytes), to.size) != 0 &&
        errno != EINPROGRESS) {
        made.error = errno;
        return made;
    }
    pollfd done{.fd = made.fd.get(), .events = POLLOUT, .revents = 0};
    if (::poll(&done, 1, patience_ms) <= 0) {
        made.error = ETIMEDOUT;
        return made;
    }
    socklen_t size = sizeof made.error;
    REQUIRE(::getsockopt(made.fd.get(), SOL_SOCKET, SO_ERROR, &made.error, &size) == 0);
    return made;
}

UniqueFd accept_from(BorrowedFd listener) {
    pollfd some{.fd = listener.get(), .events = POLLIN, .revents = 0};
    ::poll(&some, 1, kPatientMs);
    return UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

bool talks(const Connection& connection, BorrowedFd accepted) {
    for (const auto& [from, to] : {std::pair{connection.fd.get(), accepted.get()},
                                   std::pair{accepted.get(), connection.fd.get()}}) {
        char letter = 'x';
        if (::send(from, &letter, 1, MSG_NOSIGNAL) != 1) return false;
        pollfd some{.fd = to, .events = POLLIN, .revents = 0};
        if (::poll(&some, 1, kPatientMs) <= 0 || ::recv(to, &letter, 1, 0) != 1) return false;
    }
    return true;
}

namespace {

std::string receive(BorrowedFd receiver) {
    pollfd some{.fd = receiver.get(), .events = POLLIN, .revents = 0};
    if (::poll(&some, 1, kShortMs) <= 0) return "";
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    char bytes[16];
    if (::recvfrom(receiver.get(), bytes, sizeof bytes, 0, reinterpret_cast<sockaddr*>(&from),
                   &size) <= 0)
        return "";
    char text[INET6_ADDRSTRLEN] = "";
    if (from.ss_family == AF_INET6)
        ::inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6&>(from).sin6_addr, text, sizeof text);
    else
        ::inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in&>(from).sin_addr, text, sizeof text);
    return text;
}

}  // namespace

std::string datagram(const World& world, BorrowedFd netns, BorrowedFd receiver,
                     const std::string& address, int port) {
    const auto fd = socket_in(world, netns, prefix(address).v6 ? AF_INET6 : AF_INET, SOCK_DGRAM);
    const auto to = address_of(address, port);
    std::string from;
    for (int i = 0; i < 4 && from.empty(); ++i) {
        if (::sendto(fd.get(), "hello", 5, 0, reinterpret_cast<const sockaddr*>(&to.bytes),
                     to.size) != 5)
            return "";
        from = receive(receiver);
    }
    return from;
}

std::string spoofed(const World& world, BorrowedFd netns, BorrowedFd receiver,
                    const std::string& from, const std::string& address, int port) {
    const auto room = Room::open(world.phone.home, netns);
    REQUIRE(room);
    const auto link = room->links.find(kModeLink);
    REQUIRE((link && *link));
    REQUIRE(room->links.add_address((*link)->index, prefix(from)));
    const auto fd = socket_in(world, netns, prefix(from).v6 ? AF_INET6 : AF_INET, SOCK_DGRAM);
    const auto own = address_of(from, 0);
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&own.bytes), own.size) == 0);
    const auto to = address_of(address, port);
    if (::sendto(fd.get(), "hello", 5, 0, reinterpret_cast<const sockaddr*>(&to.bytes), to.size) !=
        5)
        return "not sent";
    return receive(receiver);
}

int flood(const World& world, BorrowedFd netns, const std::string& address, int port, int count) {
    const auto fd = socket_in(world, netns, AF_INET, SOCK_DGRAM);
    const auto to = address_of(address, port);
    const std::string data(8000, 'x');
    int sent = 0;
    for (int i = 0; i < count; ++i)
        if (::sendto(fd.get(), data.data(), data.size(), 0,
                     reinterpret_cast<const sockaddr*>(&to.bytes), to.size) > 0)
            ++sent;
        else
            REQUIRE(errno == EPERM);  // of a rule that drops
    return sent;
}

std::string setting(const std::string& path) {
    std::string text;
    std::ifstream("/proc/sys/net/" + path) >> text;
    return text;
}

}  // namespace pmos::network
