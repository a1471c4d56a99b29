// policy: may a mode with this network connect there, or be connected to from there? One function
// for the offline questions, the policy tests and a phone that runs. Asks no host, opens no socket.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "policy/network_plan.h"

namespace pmos::policy {

// One packet that opens something.
struct Connection {
    IpPrefix address;  // of the other end, all of its bits
    Protocol protocol = Protocol::tcp;
    std::uint16_t port = 0;  // of who is called; none of icmp
};

enum class ConnectionReason : std::uint8_t {
    loopback,        // the mode's own lo, or its own address
    uplink,          // nothing restricts it
    tunnel,          // likewise
    rule,            // a line allows it
    no_interface,    // the network holds nothing that could carry it
    no_route,        // no peer of the tunnel has the address
    not_a_host,      // for all on a link, or of a link alone
    denied,          // a line denies it
    not_allowed,     // there is a list of what is allowed, and it is not in it
    no_resolver,     // a name, and nobody who looks it up
    other_resolver,  // a mode with a resolver of its own asks no other
};
inline constexpr std::string_view kConnectionReasonNames =
    "loopback|uplink|tunnel|rule|no-interface|no-route|not-a-host|denied|not-allowed|no-resolver|"
    "other-resolver";

// What is for all on a link goes nowhere, nor what is for a link alone: RFC 3927 and 5735
// (multicast, reserved, broadcast), RFC 4291.
inline constexpr std::array<IpPrefix, 4> kNotHosts{
    IpPrefix{{169, 254}, false, 16}, IpPrefix{{224}, false, 3}, IpPrefix{{0xfe, 0x80}, true, 10},
    IpPrefix{{0xff}, true, 8}};

// Of nets that are each owner's own: RFC 1918, 2544, 6598, 4193. No name of the internet leads
// there.
inline constexpr std::array<IpPrefix, 6> kPrivateAddresses{
    IpPrefix{{10}, false, 8},       IpPrefix{{172, 16}, false, 12}, IpPrefix{{192, 168}, false, 16},
    IpPrefix{{198, 18}, false, 15}, IpPrefix{{100, 64}, false, 10}, IpPrefix{{0xfc}, true, 7}};

struct ConnectionVerdict {
    bool allowed = false;
    ConnectionReason reason{};
    // What decides: "network/egress/deny/3", or the nearest key above it.
    std::string pointer;
    const FlowRule* rule = nullptr;  // of the plan; nullptr: it is no rule
};

ConnectionVerdict judge_outbound(const NetworkPlan& network, const Connection& connection);
ConnectionVerdict judge_inbound(const NetworkPlan& network, const Connection& connection);
// The peer that has the address, by the longest prefix; nullptr: none.
const TunnelPeer* route(const TunnelPlan& tunnel, const IpPrefix& address);
bool matches(const FlowRule& rule, const Connection& connection);
// The protocol and the port alone.
bool is_service(const FlowRule& rule, const Connection& connection);
// What goes to a resolver, by its port: of a mode with one of its own that alone does so.
bool asks_names(const Connection& connection);
// Of a mode with a wire: where nothing restricts it.
ConnectionVerdict unrestricted(const NetworkPlan& network);

// The lines about names, for as many questions as come.
class NameRules {
  public:
    // The network stays the caller's.
    explicit NameRules(const NetworkPlan& network);
    // Whether the mode's resolver looks it up. Lower and upper case are the same.
    ConnectionVerdict judge(std::string_view name) const;
    // The line that denies it or something above it, nullptr: none.
    const FlowRule* denying(std::string_view name) const;
    // All lines by which something there may be reached.
    std::vector<const FlowRule*> allowing(std::string_view name) const;

  private:
    using Lines = std::unordered_map<std::string, std::vector<const FlowRule*>>;
    const NetworkPlan& network_;
    Lines allow_, deny_;
};
// As to an address of its own that no line names.
ConnectionVerdict judge_name(const NetworkPlan& network, const std::string& name,
                             const Connection& connection);

}  // namespace pmos::policy
