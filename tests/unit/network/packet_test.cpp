// tests: what the head of a packet says, of whole ones, of pieces and of what is made to mislead.
#include "runtime/network/packet.h"

#include <catch2/catch.hpp>
#include <vector>

using namespace pmos;
using namespace pmos::network;
using policy::Protocol;

namespace {

using Octets = std::vector<std::uint8_t>;

Octets operator+(Octets a, const Octets& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

// From 198.18.0.2 to 203.0.113.7.
Octets head4(std::uint8_t protocol, unsigned fragment = 0, std::uint8_t words = 5) {
    Octets made{static_cast<std::uint8_t>(0x40U | words),
                0,
                0,
                40,
                0,
                0,
                0,
                0,
                64,
                protocol,
                0,
                0,
                198,
                18,
                0,
                2,
                203,
                0,
                113,
                7};
    made[6] = static_cast<std::uint8_t>(fragment >> 8U);
    made[7] = static_cast<std::uint8_t>(fragment);
    return made;
}

// From fd00::2 to 2001:db8::7.
Octets head6(std::uint8_t next) {
    Octets made{0x60, 0, 0, 0, 0, 0, next, 64};
    made.resize(40);
    made[8] = 0xfd;
    made[23] = 2;
    made[24] = 0x20;
    made[25] = 0x01;
    made[26] = 0x0d;
    made[27] = 0xb8;
    made[39] = 7;
    return made;
}

const Octets kPorts{0x9c, 0x40, 0x01, 0xbb};  // 40000 to 443

std::string text_of(const Octets& bytes, bool inbound = false) {
    const auto packet = read_packet(bytes);
    return packet ? packet_text(*packet, inbound) : "none";
}

}  // namespace

TEST_CASE("a packet is told as a profile would name it") {
    CHECK(text_of(head4(6) + kPorts) == "tcp/443 to 203.0.113.7");
    CHECK(text_of(head4(17) + kPorts, true) == "udp/443 from 198.18.0.2");
    CHECK(text_of(head4(1) + kPorts) == "icmp to 203.0.113.7");
    CHECK(text_of(head6(6) + kPorts) == "tcp/443 to 2001:db8::7");
    CHECK(text_of(head6(58) + kPorts) == "icmp to 2001:db8::7");
    CHECK(text_of(head4(132) + kPorts) == "protocol 132 to 203.0.113.7");
    // Each family has its own ICMP.
    CHECK(text_of(head4(58)) == "protocol 58 to 203.0.113.7");
    CHECK(text_of(head6(1)) == "protocol 1 to 2001:db8::7");
    const auto sent = connection_of(*read_packet(head4(17) + kPorts), false);
    CHECK((sent.protocol == Protocol::udp && sent.port == 443 && sent.address.length == 32));
    CHECK(connection_of(*read_packet(head4(132)), false).protocol == Protocol::any);
}

TEST_CASE("of a packet in pieces there is what there is of it") {
    CHECK(text_of({}) == "none");
    CHECK(text_of(Octets(60, 0)) == "none");
    CHECK(text_of(Octets(19, 0x45)) == "none");
    CHECK(text_of(Octets(39, 0x60)) == "none");
    CHECK(text_of(head4(6)) == "tcp to 203.0.113.7");
    CHECK(text_of(head4(6) + Octets{1, 187, 0}) == "tcp to 203.0.113.7");
    // The middle of a datagram has no port where the first has.
    CHECK(text_of(head4(17, 0x2001) + kPorts) == "udp to 203.0.113.7");
    CHECK(text_of(head4(17, 0x2000) + kPorts) == "udp/443 to 203.0.113.7");
    // Options, some of which are not there, and a head that is shorter than any.
    CHECK(text_of(head4(6, 0, 6) + Octets(4, 1) + kPorts) == "tcp/443 to 203.0.113.7");
    CHECK(text_of(head4(6, 0, 15) + kPorts) == "tcp to 203.0.113.7");
    CHECK(text_of(head4(6, 0, 1) + kPorts) == "tcp to 203.0.113.7");
}

TEST_CASE("headers in front of the protocol's are passed over, and not without end") {
    const Octets options{6, 0, 0, 0, 0, 0, 0, 0}, more{60, 0, 0, 0, 0, 0, 0, 0};
    CHECK(text_of(head6(0) + options + kPorts) == "tcp/443 to 2001:db8::7");
    CHECK(text_of(head6(43) + more + options + kPorts) == "tcp/443 to 2001:db8::7");
    const Octets first{17, 0, 0, 1, 0, 0, 0, 9}, later{17, 0, 0x05, 0xa9, 0, 0, 0, 9};
    CHECK(text_of(head6(44) + first + kPorts) == "udp/443 to 2001:db8::7");
    CHECK(text_of(head6(44) + later + kPorts) == "udp to 2001:db8::7");
    const Octets authenticated{17, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    CHECK(text_of(head6(51) + authenticated + kPorts) == "udp/443 to 2001:db8::7");
    // One that says to be longer than what there is.
    CHECK(text_of(head6(0) + Octets{6, 9, 0, 0, 0, 0, 0, 0} + kPorts) ==
          "protocol 0 to 2001:db8::7");
    Octets endless = head6(60);
    for (int i = 0; i < 1000; ++i) endless = endless + more;
    CHECK(text_of(endless + options + kPorts) == "protocol 60 to 2001:db8::7");
}
