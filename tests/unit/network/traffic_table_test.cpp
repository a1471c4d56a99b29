// tests: connections counted per destination, however many there are.
#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "policy/destination.h"
#include "runtime/network/traffic.h"

using namespace pmos;
using namespace pmos::network;

namespace {

Tracked tracked(const std::string& from, const std::string& to, std::uint16_t port,
                std::uint64_t forth, std::uint64_t back, std::uint8_t number = 6) {
    return {*policy::parse_address(from), *policy::parse_address(to), number, port, forth, back};
}

using Octets = std::vector<std::uint8_t>;

Octets attribute(std::uint16_t type, const Octets& bytes) {
    const auto size = static_cast<std::uint16_t>(4 + bytes.size());
    Octets made{static_cast<std::uint8_t>(size), static_cast<std::uint8_t>(size >> 8U),
                static_cast<std::uint8_t>(type), 0};
    made.insert(made.end(), bytes.begin(), bytes.end());
    made.resize((made.size() + 3) & ~std::size_t{3});
    return made;
}
Octets operator+(Octets a, const Octets& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

}  // namespace

TEST_CASE("what the mode sends is told apart from what it gets, whoever has called") {
    Traffic traffic({*policy::parse_address("10.8.0.2")});
    traffic.add(tracked("10.8.0.2", "192.0.2.1", 443, 100, 1000));
    traffic.add(tracked("10.8.0.2", "192.0.2.1", 443, 10, 2000));
    traffic.add(tracked("10.8.0.2", "192.0.2.1", 443, 7, 7, 17));
    traffic.add(tracked("192.0.2.9", "10.8.0.2", 22, 5, 50000));
    traffic.add(tracked("fd00::2", "2001:db8::1", 0, 64, 64, 58));
    traffic.add(tracked("10.8.0.2", "192.0.2.1", 0, 1, 1, 132));
    // To itself.
    traffic.add(tracked("127.0.0.1", "127.0.0.1", 80, 9999999, 1));
    traffic.add(tracked("10.8.0.2", "10.8.0.2", 80, 9999999, 1));
    traffic.add(tracked("127.0.0.1", "10.8.0.2", 80, 9999999, 1));
    traffic.add(tracked("198.18.0.2", "198.18.0.2", 80, 9999999, 1));
    const auto table = traffic.table();
    CHECK(table.others == 0);
    REQUIRE(table.rows.size() == 5);
    const auto& in = table.rows[0];
    CHECK((in.inbound && in.address == "192.0.2.9" && in.port == 22 && in.protocol == "tcp"));
    CHECK((in.sent == 50000 && in.received == 5));
    const auto& two = table.rows[1];
    CHECK((two.connections == 2 && two.sent == 110 && two.received == 3000 && !two.inbound));
    CHECK((table.rows[2].protocol == "icmp" && table.rows[2].address == "2001:db8::1"));
    CHECK((table.rows[3].protocol == "udp" && table.rows[4].protocol == "132"));
}

TEST_CASE("of more destinations than are told the greatest are, and the others counted") {
    Traffic traffic({});
    for (unsigned i = 0; i < 100000; ++i)
        traffic.add(tracked(
            "198.18.0.2", fmt::format("10.{}.{}.{}", i / 62500, i / 250 % 250, i % 250), 80, i, 0));
    const auto table = traffic.table();
    REQUIRE(table.rows.size() == Traffic::kMostTold);
    CHECK(table.rows[0].sent == Traffic::kMostKept - 1);
    CHECK(table.rows[0].sent > table.rows[1].sent);
    CHECK(table.others == 100000 - Traffic::kMostTold);
}

TEST_CASE("a connection is read as the kernel says it") {
    const auto to = attribute(1, {198, 18, 0, 2}) + attribute(2, {192, 0, 2, 1});
    const auto ports = attribute(1, {6}) + attribute(2, {0x9c, 0x40}) + attribute(3, {0x01, 0xbb});
    const auto tuple = attribute(1, attribute(1, to) + attribute(2, ports));
    const auto forth = attribute(9, attribute(2, {0, 0, 0, 1, 0, 0, 0, 2}));
    const auto back = attribute(10, attribute(2, {0, 0, 0, 0, 0, 0, 0, 9}));
    const auto one = read_tracked(tuple + forth + back);
    REQUIRE(one);
    CHECK((policy::to_text(one->from) == "198.18.0.2" && policy::to_text(one->to) == "192.0.2.1"));
    CHECK((one->number == 6 && one->port == 443));
    CHECK((one->forth == 0x100000002 && one->back == 9));
    // Where nothing is counted.
    CHECK(read_tracked(tuple)->forth == 0);
    CHECK_FALSE(read_tracked({}));
    CHECK_FALSE(read_tracked(attribute(1, attribute(1, attribute(1, {198, 18})))));
}
