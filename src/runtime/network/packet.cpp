// network: what the head of a packet says. Pure.
#include "runtime/network/packet.h"

#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>

#include "policy/destination.h"

namespace pmos::network {
namespace {

using policy::IpPrefix;
using policy::Protocol;

constexpr std::size_t kHead4 = 20, kHead6 = 40;
// RFC 8200 has each of them once, and one of them twice.
constexpr int kMostHeaders = 8;

std::uint16_t number_at(Bytes bytes, std::size_t at) {
    return static_cast<std::uint16_t>(bytes[at] << 8U | bytes[at + 1]);
}

IpPrefix address_at(Bytes bytes, std::size_t at, bool v6) {
    IpPrefix made;
    made.v6 = v6;
    made.length = v6 ? 128 : 32;
    std::ranges::copy(bytes.subspan(at, v6 ? 16 : 4), made.bytes.begin());
    return made;
}

// rest: what stands behind the last header of IP's own.
void read_port(Packet& packet, Bytes rest) {
    if ((packet.number == IPPROTO_TCP || packet.number == IPPROTO_UDP) && rest.size() >= 4)
        packet.port = number_at(rest, 2);
}

std::optional<Packet> read4(Bytes bytes) {
    if (bytes.size() < kHead4) return std::nullopt;
    Packet packet{address_at(bytes, 12, false), address_at(bytes, 16, false), bytes[9], {}};
    const std::size_t head = std::size_t{bytes[0] & 0x0fU} * 4;
    const bool is_first = (number_at(bytes, 6) & 0x1fffU) == 0;
    if (is_first && head >= kHead4 && head <= bytes.size()) read_port(packet, bytes.subspan(head));
    return packet;
}

// How long a header in front of the protocol's is; 0: it is none, or nothing stands behind it here.
std::size_t header_size(std::uint8_t number, Bytes rest) {
    if (rest.size() < 8) return 0;
    switch (number) {
        case IPPROTO_HOPOPTS:
        case IPPROTO_ROUTING:
        case IPPROTO_DSTOPTS:
            return (std::size_t{rest[1]} + 1) * 8;
        case IPPROTO_AH:
            return (std::size_t{rest[1]} + 2) * 4;
        case IPPROTO_FRAGMENT:
            return 8;
        default:
            return 0;
    }
}

std::optional<Packet> read6(Bytes bytes) {
    if (bytes.size() < kHead6) return std::nullopt;
    Packet packet{address_at(bytes, 8, true), address_at(bytes, 24, true), bytes[6], {}};
    auto rest = bytes.subspan(kHead6);
    bool is_first = true;
    for (int i = 0; i < kMostHeaders; ++i) {
        const auto size = header_size(packet.number, rest);
        if (size == 0 || size > rest.size()) break;
        if (packet.number == IPPROTO_FRAGMENT)
            is_first = is_first && (number_at(rest, 2) & 0xfff8U) == 0;
        packet.number = rest[0];
        rest = rest.subspan(size);
        if (!is_first) break;  // what follows is the middle of something
    }
    if (is_first) read_port(packet, rest);
    return packet;
}

Protocol protocol_of(const Packet& packet) {
    switch (packet.number) {
        case IPPROTO_TCP:
            return Protocol::tcp;
        case IPPROTO_UDP:
            return Protocol::udp;
        case IPPROTO_ICMP:
            return packet.to.v6 ? Protocol::any : Protocol::icmp;
        case IPPROTO_ICMPV6:
            return packet.to.v6 ? Protocol::icmp : Protocol::any;
        default:
            return Protocol::any;
    }
}

}  // namespace

std::optional<Packet> read_packet(Bytes bytes) {
    if (bytes.empty()) return std::nullopt;
    switch (bytes[0] >> 4U) {
        case 4:
            return read4(bytes);
        case 6:
            return read6(bytes);
        default:
            return std::nullopt;
    }
}

policy::Connection connection_of(const Packet& packet, bool inbound) {
    return {inbound ? packet.from : packet.to, protocol_of(packet), packet.port.value_or(0)};
}

std::string packet_text(const Packet& packet, bool inbound) {
    const auto connection = connection_of(packet, inbound);
    policy::FlowRule rule{connection.address, connection.protocol, 0, UINT16_MAX, ""};
    if (packet.port) rule.port_first = rule.port_last = *packet.port;
    if (rule.protocol != Protocol::any)
        return inbound ? policy::source_text(rule) : policy::destination_text(rule);
    return fmt::format("protocol {} {} {}", packet.number, inbound ? "from" : "to",
                       policy::to_text(connection.address));
}

}  // namespace pmos::network
