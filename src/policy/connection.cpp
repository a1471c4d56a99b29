// policy: may a mode with this network connect there? Asks no host, opens no socket.
#include "policy/connection.h"

#include <algorithm>

#include "policy/destination.h"

namespace pmos::policy {
namespace {

const FlowRule* first_match(const std::vector<FlowRule>& rules, const Connection& connection) {
    const auto it =
        std::ranges::find_if(rules, [&](const auto& r) { return matches(r, connection); });
    return it == rules.end() ? nullptr : &*it;
}

bool is_own(const NetworkPlan& network, const IpPrefix& address) {
    return is_loopback(address) ||
           (network.zone == Zone::tunnel &&
            std::ranges::any_of(network.tunnel.addresses, [&](const IpPrefix& own) {
                return own.v6 == address.v6 && own.bytes == address.bytes;
            }));
}

}  // namespace

bool is_service(const FlowRule& rule, const Connection& connection) {
    return (rule.protocol == Protocol::any ||
            (rule.protocol == connection.protocol &&
             (rule.protocol == Protocol::icmp ||
              (rule.port_first <= connection.port && connection.port <= rule.port_last))));
}

bool asks_names(const Connection& connection) {
    return connection.protocol != Protocol::icmp &&
           (connection.port == kDnsPort || connection.port == kDnsTlsPort);
}

bool matches(const FlowRule& rule, const Connection& connection) {
    return rule.name.empty() && contains(rule.prefix, connection.address) &&
           is_service(rule, connection);
}

const TunnelPeer* route(const TunnelPlan& tunnel, const IpPrefix& address) {
    const TunnelPeer* best = nullptr;
    int longest = -1;
    for (const auto& peer : tunnel.peers)
        for (const auto& prefix : peer.allowed_ips)
            if (contains(prefix, address) && prefix.length > longest) {
                longest = prefix.length;
                best = &peer;
            }
    return best;
}

ConnectionVerdict unrestricted(const NetworkPlan& network) {
    if (network.zone == Zone::tunnel) return {true, ConnectionReason::tunnel, "network/tunnel"};
    return {true, ConnectionReason::uplink, "network/direct"};
}

ConnectionVerdict judge_outbound(const NetworkPlan& network, const Connection& connection) {
    if (network.zone == Zone::none) return {false, ConnectionReason::no_interface, "network"};
    if (is_own(network, connection.address)) return {true, ConnectionReason::loopback, "network"};
    if (network.zone == Zone::loopback) return {false, ConnectionReason::no_interface, "network"};
    if (network.zone == Zone::tunnel && route(network.tunnel, connection.address) == nullptr)
        return {false, ConnectionReason::no_route, "network/tunnel/peers"};
    if (std::ranges::any_of(kNotHosts,
                            [&](const auto& p) { return contains(p, connection.address); }))
        return {false, ConnectionReason::not_a_host, "network"};
    if (!network.dns.empty() && asks_names(connection))
        return {false, ConnectionReason::other_resolver, "network/dns"};
    if (const FlowRule* rule = first_match(network.deny, connection))
        return {false, ConnectionReason::denied, rule->pointer, rule};
    if (network.restricted) {
        const FlowRule* rule = first_match(network.allow, connection);
        if (rule == nullptr) return {false, ConnectionReason::not_allowed, "network/egress/allow"};
        return {true, ConnectionReason::rule, rule->pointer, rule};
    }
    return unrestricted(network);
}

ConnectionVerdict judge_inbound(const NetworkPlan& network, const Connection& connection) {
    if (network.zone == Zone::none) return {false, ConnectionReason::no_interface, "network"};
    if (is_own(network, connection.address)) return {true, ConnectionReason::loopback, "network"};
    if (network.zone == Zone::loopback) return {false, ConnectionReason::no_interface, "network"};
    if (network.zone == Zone::tunnel && route(network.tunnel, connection.address) == nullptr)
        return {false, ConnectionReason::no_route, "network/tunnel/peers"};
    const FlowRule* rule = first_match(network.inbound, connection);
    if (rule == nullptr) return {false, ConnectionReason::not_allowed, "network/inbound"};
    return {true, ConnectionReason::rule, rule->pointer, rule};
}

}  // namespace pmos::policy
