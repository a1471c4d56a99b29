// tests: a mode with a wire of its own to the phone's uplink: what it reaches, what it does not,
// and what is left of it.
#include "runtime/network/wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "runtime/network/forwarding.h"
#include "runtime/network/part.h"
#include "runtime/network/rules.h"
#include "world.h"

using namespace pmos;
using namespace pmos::network;
using policy::Protocol;
using namespace std::string_literals;

namespace {

bool reaches(const World& world, BorrowedFd netns, const std::string& address, int port) {
    return connect_in(world, netns, address, port).error == 0;
}
// A datagram to each of so many ports.
void ask_each(const World& world, BorrowedFd netns, const std::string& address, unsigned first,
              unsigned count) {
    const auto fd = world.phone.home.inside(netns, []() -> Result<UniqueFd> {
        return UniqueFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    });
    sockaddr_in to{};
    to.sin_family = AF_INET;
    REQUIRE(::inet_pton(AF_INET, address.c_str(), &to.sin_addr) == 1);
    for (unsigned i = 0; i < count; ++i) {
        to.sin_port = htons(static_cast<std::uint16_t>(first + i));
        // What is told of ports where nobody listens comes back as an error of the next one.
        for (int again = 0; again < 3; ++again)
            if (::sendto(fd->get(), "x", 1, 0, reinterpret_cast<sockaddr*>(&to), sizeof to) == 1)
                break;
    }
}
std::string made_directory() {
    std::string path = std::filesystem::temp_directory_path() / "pmos-wire-XXXXXX";
    REQUIRE(::mkdtemp(path.data()) != nullptr);
    return path;
}
bool misses(const World& world, BorrowedFd netns, const std::string& address, int port) {
    return connect_in(world, netns, address, port, kShortMs).error != 0;
}

}  // namespace

TEST_CASE("a mode with a wire reaches what the phone reaches, as the phone") {
    const World world;
    const auto mode = world.mode();
    REQUIRE(connect_wire(world.phone, "anna", mode.borrow(), direct()));
    for (const std::string& to : {std::string("198.51.100.1"), std::string("2001:db8:1::1")}) {
        INFO(to);
        const auto listener = listen_in(world, world.peer.borrow(), to, 80);
        const auto connection = connect_in(world, mode.borrow(), to, 80);
        REQUIRE(connection.error == 0);
        CHECK(talks(connection, accept_from(listener.borrow()).borrow()));
        const auto datagrams = listen_in(world, world.peer.borrow(), to, 53, SOCK_DGRAM);
        CHECK(datagram(world, mode.borrow(), datagrams.borrow(), to, 53) ==
              (to[0] == '2' ? "2001:db8::2" : "192.0.2.2"));
    }
}

TEST_CASE("neither the phone nor another mode is reached over a wire, nor the mode") {
    const World world;
    const auto mode = world.mode(), other = world.mode();
    REQUIRE(connect_wire(world.phone, "anna", mode.borrow(), direct()));
    REQUIRE(connect_wire(world.phone, "berta", other.borrow(), direct()));
    const auto mine = part_of(0), theirs = part_of(1);
    const auto any4 = listen_in(world, {}, "0.0.0.0", 80);
    const auto any6 = listen_in(world, {}, "::", 81);
    const auto other4 = listen_in(world, other.borrow(), "0.0.0.0", 80);
    const auto other6 = listen_in(world, other.borrow(), "::", 81);
    for (const auto& to : {"192.0.2.2"s, address_text(mine.phone4), address_text(theirs.phone4),
                           address_text(theirs.mode4)})
        CHECK(misses(world, mode.borrow(), to, 80));
    for (const auto& to : {"2001:db8::2"s, address_text(mine.phone6), address_text(theirs.phone6),
                           address_text(theirs.mode6)})
        CHECK(misses(world, mode.borrow(), to, 81));
    // Nobody comes in: neither the phone nor the peer, were it to send there.
    CHECK(misses(world, {}, address_text(theirs.mode4), 80));
    CHECK(misses(world, {}, address_text(theirs.mode6), 81));
    const auto room = Room::open(world.phone.home, world.peer.borrow());
    const auto link = room->links.find("peer0");
    const auto phone = prefix("192.0.2.2");
    REQUIRE(room->links.add_route(prefix("198.18.0.0/15"), (*link)->index, &phone));
    CHECK(misses(world, world.peer.borrow(), address_text(theirs.mode4), 80));
}

TEST_CASE("who is named may call a mode at the phone's address, and no mode may") {
    const World world;
    const auto mode = world.mode(), other = world.mode();
    auto plan = direct();
    plan.inbound = {flow("192.0.2.0/24", Protocol::tcp, 80, 80),
                    flow("2001:db8::/64", Protocol::tcp, 81, 81)};
    REQUIRE(connect_wire(world.phone, "anna", mode.borrow(), plan));
    REQUIRE(connect_wire(world.phone, "berta", other.borrow(), direct()));
    const auto four = listen_in(world, mode.borrow(), "0.0.0.0", 80);
    const auto six = listen_in(world, mode.borrow(), "::", 81);
    const auto closed = listen_in(world, mode.borrow(), "0.0.0.0", 82);
    const struct {
        std::string to;
        int port;
        BorrowedFd listener;
    } calls[] = {{"192.0.2.2", 80, four.borrow()}, {"2001:db8::2", 81, six.borrow()}};
    for (const auto& [to, port, listener] : calls) {
        INFO(to);
        const auto call = connect_in(world, world.peer.borrow(), to, port);
        REQUIRE(call.error == 0);
        CHECK(talks(call, accept_from(listener).borrow()));
        // From a mode, or the phone itself, it is the phone that is called.
        CHECK(misses(world, other.borrow(), to, port));
        CHECK(misses(world, mode.borrow(), to, port));
        CHECK(misses(world, {}, to, port));
    }
    CHECK(misses(world, world.peer.borrow(), "192.0.2.2", 81));
    CHECK(misses(world, world.peer.borrow(), "192.0.2.2", 82));
    // The phone keeps what is not named.
    const auto own = listen_in(world, {}, "0.0.0.0", 83);
    CHECK(reaches(world, world.peer.borrow(), "192.0.2.2", 83));
    REQUIRE(disconnect_wire(world.phone, "anna"));
    CHECK(misses(world, world.peer.borrow(), "192.0.2.2", 80));
}

TEST_CASE("what says that it comes from elsewhere gets no further than its wire") {
    const World world;
    const auto mode = world.mode();
    REQUIRE(connect_wire(world.phone, "anna", mode.borrow(), direct()));
    for (const auto& [from, to] :
         {std::pair{"192.0.2.77"s, "198.51.100.1"s}, std::pair{"2001:db8::77"s, "2001:db8:1::1"s},
          std::pair{address_text(part_of(1).mode4), "198.51.100.1"s}}) {
        const auto receiver = listen_in(world, world.peer.borrow(), to, 53, SOCK_DGRAM);
        CHECK(datagram(world, mode.borrow(), receiver.borrow(), to, 53) != "");
        CHECK(spoofed(world, mode.borrow(), receiver.borrow(), from, to, 53) == "");
    }
}

TEST_CASE("of a restricted network only what is allowed is reached, and nothing that is denied") {
    const World world;
    const auto mode = world.mode();
    auto plan = restricted({flow("198.51.100.0/24", Protocol::tcp, 80, 90), flow("2001:db8:1::1")});
    plan.deny = {flow("198.51.100.2/31")};
    REQUIRE(connect_wire(world.phone, "anna", mode.borrow(), plan));
    std::vector<UniqueFd> listeners;
    for (const int port : {80, 91}) {
        listeners.push_back(listen_in(world, world.peer.borrow(), "0.0.0.0", port));
        listeners.push_back(listen_in(world, world.peer.borrow(), "2001:db8:1::1", port));
        listeners.push_back(listen_in(world, world.peer.borrow(), "2001:db8:1::2", port));
    }
    CHECK(reaches(world, mode.borrow(), "198.51.100.1", 80));
    CHECK(reaches(world, mode.borrow(), "2001:db8:1::1", 91));
    CHECK(misses(world, mode.borrow(), "198.51.100.1", 91));
    CHECK(misses(world, mode.borrow(), "192.0.2.1", 80));
    CHECK(misses(world, mode.borrow(), "2001:db8:1::2", 80));
    CHECK(misses(world, mode.borrow(), "198.51.100.2", 80));
    // A program hears of it at once.
    CHECK(connect_in(world, mode.borrow(), "198.51.100.1", 91).error != ETIMEDOUT);
    // The phone holds to it, whatever becomes of the rules inside.
    const auto room = Room::open(world.phone.home, mode.borrow());
    REQUIRE(room->nft.remove(kModeFamily, kModeTable, "cannot"));
    CHECK(reaches(world, mode.borrow(), "198.51.100.1", 80));
    CHECK(misses(world, mode.borrow(), "198.51.100.1", 91));
    CHECK(misses(world, mode.borrow(), "198.51.100.2", 80));
    CHECK(misses(world, mode.borrow(), "2001:db8:1::2", 80));
}

TEST_CASE("a phone that forwarded nothing does so for modes alone, and then no more") {
    const World world;
    REQUIRE(setting("ipv4/ip_forward") == "0");
    const auto mode = world.mode();
    REQUIRE(connect_wire(world.phone, "anna", mode.borrow(), direct()));
    CHECK(setting("ipv4/ip_forward") == "1");
    CHECK(setting("ipv6/conf/all/forwarding") == "1");
    CHECK(setting("ipv6/conf/up0/accept_ra") == "2");
    // Somebody else on a link of the phone's.
    const auto guest = world.mode();
    REQUIRE(
        world.phone.links.make_wire({"guest0", kModeLink, kPhoneMac, kModeMac, guest.borrow()}));
    const auto outer = world.phone.links.find("guest0");
    const auto room = Room::open(world.phone.home, guest.borrow());
    const auto inner = room->links.find(kModeLink);
    const auto gateway = prefix("192.0.3.1");
    REQUIRE(world.phone.links.add_address((*outer)->index, prefix("192.0.3.1/24")));
    REQUIRE(room->links.add_address((*inner)->index, prefix("192.0.3.2/24")));
    REQUIRE(world.phone.links.set_up((*outer)->index, true));
    REQUIRE(room->links.set_up((*inner)->index, true));
    REQUIRE(world.phone.links.add_neighbour((*outer)->index, prefix("192.0.3.2"), kModeMac));
    REQUIRE(room->links.add_neighbour((*inner)->index, gateway, kPhoneMac));
    REQUIRE(room->links.add_route(prefix("0.0.0.0/0"), (*inner)->index, &gateway));
    const auto at_phone = listen_in(world, {}, "0.0.0.0", 80);
    CHECK(reaches(world, guest.borrow(), "192.0.3.1", 80));
    const auto receiver = listen_in(world, world.peer.borrow(), "198.51.100.1", 53, SOCK_DGRAM);
    CHECK(datagram(world, guest.borrow(), receiver.borrow(), "198.51.100.1", 53) == "");
    REQUIRE(disconnect_wire(world.phone, "anna"));
    CHECK(setting("ipv4/ip_forward") == "0");
    CHECK(setting("ipv6/conf/all/forwarding") == "0");
    CHECK(world.tables() == "");
}

TEST_CASE("a phone that forwards is left as it is") {
    const World world;
    std::ofstream("/proc/sys/net/ipv4/ip_forward") << "1";
    const auto mode = world.mode();
    REQUIRE(connect_wire(world.phone, "anna", mode.borrow(), direct()));
    CHECK(world.tables() == "inet pmos-anna\nip6 pmos\n");
    REQUIRE(disconnect_wire(world.phone, "anna"));
    CHECK(setting("ipv4/ip_forward") == "1");
    CHECK(world.tables() == "");
}

TEST_CASE("what pmos has switched on is known also without the rules that stand guard") {
    World world;
    world.phone.run = made_directory();
    const auto mode = world.mode(), other = world.mode();
    REQUIRE(connect_wire(world.phone, "anna", mode.borrow(), direct()));
    // Nobody looked when these went.
    REQUIRE(world.phone.nft.remove("ip", kGuardTable, "cannot"));
    REQUIRE(world.phone.nft.remove("ip6", kGuardTable, "cannot"));
    REQUIRE(connect_wire(world.phone, "berta", other.borrow(), direct()));
    CHECK(world.tables() == "inet pmos-anna\ninet pmos-berta\nip pmos\nip6 pmos\n");
    REQUIRE(disconnect_wire(world.phone, "anna"));
    REQUIRE(world.phone.nft.remove("ip", kGuardTable, "cannot"));
    REQUIRE(disconnect_wire(world.phone, "berta"));
    CHECK(setting("ipv4/ip_forward") == "0");
    CHECK(world.tables() == "");
    CHECK(std::filesystem::is_empty(world.phone.run));
    std::filesystem::remove_all(world.phone.run);
}

TEST_CASE("a phone that forwards between some of its links goes on with that") {
    World world;
    world.phone.run = made_directory();
    std::ofstream("/proc/sys/net/ipv4/conf/up0/forwarding") << "1";
    REQUIRE(setting("ipv4/ip_forward") == "0");
    const auto mode = world.mode();
    REQUIRE(connect_wire(world.phone, "anna", mode.borrow(), direct()));
    CHECK(setting("ipv4/ip_forward") == "1");
    CHECK(guard(world.phone.run, false).body.find("iifname \"up0\" accept") != std::string::npos);
    CHECK(guard(world.phone.run, true).body.find("up0") == std::string::npos);
    REQUIRE(disconnect_wire(world.phone, "anna"));
    CHECK(setting("ipv4/ip_forward") == "0");
    CHECK(setting("ipv4/conf/up0/forwarding") == "1");
    std::filesystem::remove_all(world.phone.run);
}

TEST_CASE("a mode has so many connections at a time, and no more") {
    const World world;
    const auto mode = world.mode();
    REQUIRE(connect_wire(world.phone, "anna", mode.borrow(), direct()));
    const auto receiver = listen_in(world, world.peer.borrow(), "198.51.100.1", 53, SOCK_DGRAM);
    REQUIRE(datagram(world, mode.borrow(), receiver.borrow(), "198.51.100.1", 53) != "");
    ask_each(world, mode.borrow(), "198.51.100.1", 10000, kMostConnections + 500);
    const auto remembered = std::stoul(setting("netfilter/nf_conntrack_count"));
    INFO(remembered);
    CHECK((remembered > kMostConnections / 2 && remembered < kMostConnections + 100));
}

TEST_CASE("addresses that the phone has are none of a wire") {
    const World world;
    const auto up = world.phone.links.find("up0");
    REQUIRE(world.phone.links.add_address((*up)->index, prefix("198.18.0.1/16")));
    REQUIRE(world.phone.links.add_address((*up)->index, prefix("198.19.0.1/17")));
    const auto mode = world.mode();
    REQUIRE(connect_wire(world.phone, "anna", mode.borrow(), direct()));
    CHECK(part_number((*wire_of(world.phone, "anna"))->name) >= kParts / 4 * 3);
    REQUIRE(world.phone.links.add_address((*up)->index, prefix("198.18.0.1/15")));
    const auto other = world.mode();
    const auto refused = connect_wire(world.phone, "berta", other.borrow(), direct());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().what == "no addresses are left for a wire");
    CHECK(world.gone("berta", other.borrow()));
    CHECK_FALSE(world.gone("anna", mode.borrow()));
}

TEST_CASE("what fails half-way leaves nothing") {
    const World world;
    const auto mode = world.mode();
    REQUIRE(world.phone.home.inside(mode.borrow(), []() -> Result<> {
        std::ofstream("/proc/sys/net/ipv6/conf/default/disable_ipv6") << "1";
        return {};
    }));
    const auto refused = connect_wire(world.phone, "anna", mode.borrow(), direct());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().what.starts_with("cannot add the address fd70:6d6f:7300:"));
    CHECK(refused.error().undo_failures.empty());
    CHECK(world.gone("anna", mode.borrow()));
    CHECK(world.tables() == "");
    CHECK(setting("ipv4/ip_forward") == "0");
}

TEST_CASE("a wire that stands is taken over, and connections go on") {
    const World world;
    const auto mode = world.mode();
    const auto plan = restricted({flow("198.51.100.1/32"), flow("2001:db8:1::1/128")});
    REQUIRE(connect_wire(world.phone, "anna", mode.borrow(), plan));
    const auto listener4 = listen_in(world, world.peer.borrow(), "198.51.100.1", 80);
    const auto listener6 = listen_in(world, world.peer.borrow(), "2001:db8:1::1", 80);
    const auto four = connect_in(world, mode.borrow(), "198.51.100.1", 80);
    const auto six = connect_in(world, mode.borrow(), "2001:db8:1::1", 80);
    const auto at4 = accept_from(listener4.borrow()), at6 = accept_from(listener6.borrow());
    REQUIRE(talks(four, at4.borrow()));
    REQUIRE(talks(six, at6.borrow()));
    const auto before = wire_of(world.phone, "anna");
    // The rules have become others meanwhile.
    REQUIRE(world.phone.nft.run("add rule inet pmos-anna input accept", "cannot"));
    REQUIRE(connect_wire(world.phone, "anna", mode.borrow(), plan));
    CHECK((*wire_of(world.phone, "anna"))->index == (*before)->index);
    CHECK(talks(four, at4.borrow()));
    CHECK(talks(six, at6.borrow()));
    // An end that has been exchanged is no wire any more.
    const auto other = world.mode();
    REQUIRE(connect_wire(world.phone, "anna", other.borrow(), plan));
    CHECK(reaches(world, other.borrow(), "198.51.100.1", 80));
    CHECK(misses(world, mode.borrow(), "198.51.100.1", 80));
}

TEST_CASE("what is nobody's is removed") {
    const World world;
    const auto mode = world.mode(), other = world.mode();
    REQUIRE(connect_wire(world.phone, "anna", mode.borrow(), direct()));
    REQUIRE(connect_wire(world.phone, "berta", other.borrow(), direct()));
    // Of one that was cut short, and of somebody else.
    REQUIRE(world.phone.nft.run("add table inet pmos-carla; add table inet other", "cannot"));
    const auto third = world.mode();
    REQUIRE(
        world.phone.links.make_wire({"pmos-7", kModeLink, kPhoneMac, kModeMac, third.borrow()}));
    const std::vector<std::string> kept{"berta"};
    REQUIRE(keep_wires(world.phone, kept));
    CHECK_FALSE(*wire_of(world.phone, "anna"));
    CHECK(*wire_of(world.phone, "berta"));
    CHECK_FALSE(*world.phone.links.find("pmos-7"));
    CHECK(world.tables() == "inet pmos-berta\nip pmos\nip6 pmos\ninet other\n");
    REQUIRE(keep_wires(world.phone, {}));
    CHECK(world.tables() == "inet other\n");
    CHECK(setting("ipv4/ip_forward") == "0");
}
