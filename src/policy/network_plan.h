// policy: what a plan says of a mode's network: addresses, peers, and what may be reached. Values
// only: never a socket, a key, an interface's number.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pmos::policy {

// What a mode's network namespace holds beside what every one has.
enum class Zone : std::uint8_t {
    none,      // nothing, lo is down
    loopback,  // lo
    direct,    // lo and a wire to the phone's uplink, NATed
    tunnel,    // lo and a WireGuard interface
};
inline constexpr std::string_view kZoneNames = "none|loopback|direct|tunnel";
constexpr bool has_wire(Zone zone) { return zone == Zone::direct || zone == Zone::tunnel; }

struct IpPrefix {
    std::array<std::uint8_t, 16> bytes{};  // network order; of IPv4 the first four
    bool v6 = false;
    std::uint8_t length = 0;  // bits
    friend auto operator<=>(const IpPrefix&, const IpPrefix&) = default;
};

enum class Protocol : std::uint8_t { any, tcp, udp, icmp };  // icmp: of either family
inline constexpr std::string_view kProtocolNames = "any|tcp|udp|icmp";

// Whom a mode may connect to, or who may connect to it. Ports are of tcp and udp; 0 to 65535: all.
struct FlowRule {
    IpPrefix prefix;
    Protocol protocol = Protocol::any;
    std::uint16_t port_first = 0, port_last = 65535;
    std::string pointer;  // of the profile's line: "network/egress/allow/0"
    std::string name{};   // instead of the prefix: destination.h
    friend bool operator==(const FlowRule&, const FlowRule&) = default;
};

// Whom the mode's own resolver asks.
struct DnsServer {
    IpPrefix address;
    std::uint16_t port = 0;
    std::string tls_name;  // of its certificate, RFC 7858; "": in the clear
    friend bool operator==(const DnsServer&, const DnsServer&) = default;
};

// As wg(8) has it.
struct TunnelPeer {
    std::array<std::uint8_t, 32> public_key{};  // X25519
    std::string host;                           // of the endpoint, a name or an address
    std::uint16_t port = 0;
    std::vector<IpPrefix> allowed_ips;
    std::uint16_t keepalive = 0;  // seconds, 0: none
    bool preshared = false;       // no handshake without the symmetric key of it and the mode
    friend bool operator==(const TunnelPeer&, const TunnelPeer&) = default;
};

struct TunnelPlan {
    std::string name;
    std::vector<IpPrefix> addresses;  // of the mode in the tunnel
    std::uint32_t mtu = 0;            // bytes
    std::vector<TunnelPeer> peers;
    friend bool operator==(const TunnelPlan&, const TunnelPlan&) = default;
};

// How much goes through a wire; 0: any.
struct NetworkLimits {
    std::uint64_t send = 0, receive = 0;  // bytes a second
    std::uint64_t volume = 0;             // bytes a day, of both directions
    friend bool operator==(const NetworkLimits&, const NetworkLimits&) = default;
};

struct NetworkPlan {
    Zone zone = Zone::none;
    TunnelPlan tunnel;           // of a tunnel
    std::vector<DnsServer> dns;  // none: the mode has no resolver; all of them over TLS, or none
    // Of a wire. restricted: only what allow names is reached; deny goes before allow.
    bool restricted = false;
    std::vector<FlowRule> allow, deny;
    std::vector<FlowRule> inbound;  // new connections to the mode
    NetworkLimits limits;
    friend bool operator==(const NetworkPlan&, const NetworkPlan&) = default;
};

inline bool is_over_tls(const NetworkPlan& plan) {
    return !plan.dns.empty() && !plan.dns.front().tls_name.empty();
}

}  // namespace pmos::policy
