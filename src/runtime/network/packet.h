// network: what the head of a packet says: between whom, and of which service. Pure. A packet is
// whatever a mode, or who calls it, has made of it: nothing of it is believed, and not much read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "policy/connection.h"
#include "runtime/network/attributes.h"

namespace pmos::network {

struct Packet {
    policy::IpPrefix from, to;          // all bits of each
    std::uint8_t number = 0;            // of its protocol: of the last header that could be found
    std::optional<std::uint16_t> port;  // of who is called; none where there is none, or not here
};

// From its first byte on, however much of it there is; nullopt: it is none of IPv4 or IPv6.
std::optional<Packet> read_packet(Bytes bytes);

// As the policy judges it, with the other end's address.
policy::Connection connection_of(const Packet& packet, bool inbound);
// "tcp/443 to 203.0.113.7", "icmp from 203.0.113.7", "protocol 132 to 203.0.113.7".
std::string packet_text(const Packet& packet, bool inbound);

}  // namespace pmos::network
