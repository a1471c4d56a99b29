// policy: the network of a profile. Knows no host, and no key but public ones.
#include <fmt/format.h>

#include <algorithm>

#include "policy/connection.h"
#include "policy/destination.h"
#include "policy/names.h"
#include "policy/profile_reader.h"
#include "policy/x25519.h"

namespace pmos::policy {
namespace {

// "/network/egress/allow/0" as a plan has it.
std::string key_of(const Location& at) {
    return at.pointer.starts_with('/') ? at.pointer.substr(1) : at.pointer;
}

std::vector<FlowRule> rules_of(const Node* list, Result<FlowRule> (*read)(std::string_view)) {
    std::vector<FlowRule> out;
    if (list == nullptr) return out;
    for (const auto& item : list->items) {
        auto rule = read(item.text);
        if (!rule) continue;  // check_shape has said so
        rule->pointer = key_of(item.at);
        out.push_back(std::move(*rule));
    }
    return out;
}

// From whoever is next: a packet that nothing sends anywhere.
bool no_host(const IpPrefix& address) {
    const auto& b = address.bytes;
    const bool nothing = std::ranges::all_of(b, [](auto byte) { return byte == 0; });
    return nothing || is_loopback(masked(address, address.v6 ? 128 : 32)) ||
           (address.v6 ? b[0] == 0xff : b[0] >= 0xe0);
}

}  // namespace

void ProfileReader::network() {
    const Node* node = get("network");
    if (node == nullptr) return;
    auto& plan = p_.network;
    if (node->is(Node::Kind::string)) {
        const auto zones = split_list(kZoneNames);
        const auto it = std::ranges::find(zones, std::string_view(node->text));
        if (it != zones.end()) plan.zone = static_cast<Zone>(it - zones.begin());
        return;
    }
    const Node *tunnel = node->find("tunnel"), *direct = node->find("direct");
    if (direct != nullptr && !direct->boolean)
        fault(Rule::bad_value, direct->at, "'direct' is true, or it is not there",
              "leave it out, or write \"network\": \"none\"");
    if ((tunnel != nullptr) == (direct != nullptr))
        fault(Rule::contradiction, node->at, "a network is a tunnel or direct",
              tunnel != nullptr ? "give one of 'tunnel' and 'direct'"
                                : "give one of 'tunnel' and 'direct'; what has neither has no "
                                  "rules: write \"none\" or \"loopback\"");
    plan.zone = tunnel != nullptr ? Zone::tunnel : Zone::direct;
    const Node* allow = node->at_path("egress/allow");
    plan.restricted = allow != nullptr;
    plan.allow = rules_of(allow, parse_destination);
    plan.deny = rules_of(node->at_path("egress/deny"), parse_destination);
    dns(*node);
    plan.limits = {size_or(node->at_path("limits/send"), 0),
                   size_or(node->at_path("limits/receive"), 0),
                   size_or(node->at_path("limits/volume"), 0)};
    plan.inbound = rules_of(node->find("inbound"), parse_source);
    if (tunnel == nullptr) return inbound_at_phone();
    this->tunnel(*tunnel);
    dns_in_tunnel(*node);
    tunnel_key(*tunnel);
}

// What the mode is called at is the phone's address: it takes no more of that than it names.
void ProfileReader::inbound_at_phone() {
    for (const auto& rule : p_.network.inbound) {
        const bool ports = rule.protocol == Protocol::tcp || rule.protocol == Protocol::udp;
        if (!ports || (rule.port_first <= 1 && rule.port_last == UINT16_MAX))
            fault(Rule::bad_value, p_.where(rule.pointer),
                  fmt::format("'{}' would take every port of the phone", source_text(rule)),
                  "name tcp or udp and the ports: \"tcp/8080 from 192.168.0.0/16\"");
    }
}

void ProfileReader::dns(const Node& node) {
    auto& plan = p_.network;
    const Node* list = node.find("dns");
    if (list != nullptr)
        for (const auto& item : list->items) {
            auto server = parse_dns_server(item.text);
            if (!server) continue;  // check_shape has said so
            if (!plan.dns.empty() && server->tls_name.empty() != plan.dns[0].tls_name.empty())
                fault(
                    Rule::contradiction, item.at,
                    "the resolver asks one server over TLS and another in the clear",
                    "whoever keeps the one away reads what the other is asked: write ADDRESS#NAME "
                    "for all of them, or for none");
            plan.dns.push_back(std::move(*server));
        }
    if (list != nullptr && list->items.empty())
        fault(Rule::bad_value, list->at, "the mode's resolver has nobody to ask",
              "name one, or leave 'dns' out");
    for (const auto& rule : plan.allow) looked_up(rule);
    for (const auto& rule : plan.deny) {
        if (looked_up(rule) && rule.protocol != Protocol::any)
            fault(Rule::bad_value, p_.where(rule.pointer),
                  fmt::format("'{}' is looked up for every protocol, or for none", rule.name),
                  fmt::format("write \"{}\"", rule.name));
    }
}

// It is about a name, and there is somebody who looks it up.
bool ProfileReader::looked_up(const FlowRule& rule) {
    if (rule.name.empty()) return false;
    if (p_.network.dns.empty())
        fault(Rule::contradiction, p_.where(rule.pointer),
              fmt::format("nobody looks up '{}'", rule.name),
              "name resolvers in network/dns, or write an address");
    return !p_.network.dns.empty();
}

void ProfileReader::dns_in_tunnel(const Node& node) {
    const auto& plan = p_.network;
    const Node* list = node.find("dns");
    for (std::size_t i = 0; i < plan.dns.size() && i < list->items.size(); ++i)
        if (route(plan.tunnel, plan.dns[i].address) == nullptr)
            fault(Rule::contradiction, list->items[i].at,
                  fmt::format("no peer of the tunnel has '{}'", address_text(plan.dns[i].address)),
                  "add it to the allowedIPs of the peer that it is behind, or name another");
}

void ProfileReader::tunnel(const Node& node) {
    auto& tunnel = p_.network.tunnel;
    tunnel.name = text_or(node.find("name"), "");
    tunnel.mtu = u32_or(node.find("mtu"), 0);
    std::vector<const Node*> places;
    if (const Node* list = node.find("addresses"))
        for (const auto& item : list->items) {
            const auto address = parse_prefix(item.text, true);
            if (!address) continue;
            const auto same = [&](const IpPrefix& other) {
                return other.v6 == address->v6 && other.bytes == address->bytes;
            };
            if (no_host(*address))
                fault(Rule::bad_value, item.at,
                      fmt::format("'{}' is nobody's address", shown(item.text)),
                      "write the one that the peer has for this mode");
            else if (std::ranges::any_of(tunnel.addresses, same))
                fault(Rule::contradiction, item.at,
                      fmt::format("the address '{}' is there twice", shown(item.text)),
                      "remove one");
            tunnel.addresses.push_back(*address);
            places.push_back(&item);
        }
    if (tunnel.addresses.empty())
        fault(Rule::bad_value, p_.where("network/tunnel/addresses"),
              "the mode has no address in the tunnel", "such as [\"10.8.0.2/32\"]");
    const Node* peers = node.find("peers");
    if (peers == nullptr || peers->items.empty())
        fault(Rule::bad_value, p_.where("network/tunnel/peers"), "the tunnel leads to nobody",
              "give it at least one peer");
    else
        for (const auto& item : peers->items) peer(item);
    for (std::size_t i = 0; i < tunnel.addresses.size(); ++i) {
        const bool v6 = tunnel.addresses[i].v6;
        if (!tunnel.peers.empty() && std::ranges::none_of(tunnel.peers, [&](const TunnelPeer& p) {
                return std::ranges::any_of(p.allowed_ips, [&](auto& a) { return a.v6 == v6; });
            }))
            fault(Rule::contradiction, places[i]->at,
                  fmt::format("no peer takes packets of {}", v6 ? "IPv6" : "IPv4"),
                  fmt::format("add \"{}\" to a peer's allowedIPs, or remove the address",
                              v6 ? "::/0" : "0.0.0.0/0"));
    }
}

void ProfileReader::peer(const Node& node) {
    auto& peers = p_.network.tunnel.peers;
    const auto place = [&](std::string_view key) {
        const Node* found = node.find(key);
        return found == nullptr ? node.at : found->at;
    };
    TunnelPeer peer;
    peer.public_key = parse_key(text_or(node.find("publicKey"), "")).value_or(PublicKey{});
    if (peer.public_key == PublicKey{})
        fault(Rule::bad_value, place("publicKey"), "a key of zeros is nobody's",
              "write the peer's own, as wg pubkey prints it");
    else if (std::ranges::find(peers, peer.public_key, &TunnelPeer::public_key) != peers.end())
        fault(Rule::contradiction, place("publicKey"), "this peer is there twice",
              "put all of its allowedIPs into one");
    if (auto endpoint = parse_endpoint(text_or(node.find("endpoint"), ""))) {
        peer.host = std::move(endpoint->host);
        peer.port = endpoint->port;
    }
    peer.keepalive = static_cast<std::uint16_t>(u32_or(node.find("persistentKeepalive"), 0));
    const Node* preshared = node.find("presharedKey");
    peer.preshared = preshared != nullptr && preshared->boolean;
    const Node* list = node.find("allowedIPs");
    if (list != nullptr)
        for (const auto& item : list->items) allowed_ip(item, peer);
    if (list != nullptr && list->items.empty())
        fault(Rule::bad_value, list->at, "nothing is sent to this peer",
              "such as [\"0.0.0.0/0\", \"::/0\"]");
    peers.push_back(std::move(peer));
}

void ProfileReader::allowed_ip(const Node& item, TunnelPeer& peer) {
    const auto& tunnel = p_.network.tunnel;
    const auto prefix = parse_prefix(item.text);
    if (!prefix) return;
    const auto overlaps = [&](const IpPrefix& other) {
        return contains(other, *prefix) || contains(*prefix, other);
    };
    if (std::ranges::find(peer.allowed_ips, *prefix) != peer.allowed_ips.end())
        fault(Rule::contradiction, item.at, fmt::format("'{}' is there twice", shown(item.text)),
              "remove one");
    // Of one and the same prefix the kernel would forget the first peer's.
    for (std::size_t i = 0; i < tunnel.peers.size(); ++i)
        if (std::ranges::any_of(tunnel.peers[i].allowed_ips, overlaps)) {
            fault(Rule::contradiction, item.at,
                  fmt::format("'{}' is another peer's too", shown(item.text)),
                  "name in each peer what is behind it alone",
                  {p_.where(fmt::format("network/tunnel/peers/{}/allowedIPs", i))});
            break;
        }
    if (!tunnel.addresses.empty() &&
        std::ranges::none_of(tunnel.addresses, [&](auto& own) { return own.v6 == prefix->v6; }))
        fault(
            Rule::contradiction, item.at,
            fmt::format("the mode has no address of {} to send from", prefix->v6 ? "IPv6" : "IPv4"),
            fmt::format("add one to 'addresses', or remove '{}'", shown(item.text)));
    peer.allowed_ips.push_back(*prefix);
}

// The key lies in the private part of a volume, and in the kernel as long as the tunnel is there:
// any lock ends that.
void ProfileReader::tunnel_key(const Node& node) {
    const auto secret = [](const VolumeSpec& v) {
        return !has_word(v.unlock, "device-key") && !has_word(v.unlock, "tpm2");
    };
    if (std::ranges::none_of(p_.volumes, secret))
        fault(Rule::contradiction, node.at,
              p_.volumes.empty()
                  ? "the mode has no volume that could keep the tunnel's key"
                  : "every volume of the mode opens with nobody there, and so would the tunnel",
              "add a volume that opens by \"pin\": the key lies in its private part");
}

}  // namespace pmos::policy
