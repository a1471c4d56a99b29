// policy: the network in the readable form of a plan, and back. No host reads.
#include "policy/plan_network.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "policy/destination.h"
#include "policy/names.h"
#include "policy/x25519.h"

namespace pmos::policy {
namespace {

using RuleText = std::string (*)(const FlowRule&);
using RuleReader = Result<FlowRule> (*)(std::string_view);

void write_prefixes(JsonWriter& w, std::string_view key, const std::vector<IpPrefix>& list) {
    std::vector<std::string> texts;
    for (const auto& prefix : list) texts.push_back(to_text(prefix));
    w.key(key).texts(texts);
}

void write_tunnel(JsonWriter& w, const TunnelPlan& tunnel) {
    w.key("tunnel").open_object().key("name").text(tunnel.name);
    w.compact(true);
    write_prefixes(w, "addresses", tunnel.addresses);
    w.compact(false).key("mtu").number(tunnel.mtu).key("peers").open_array().compact(true);
    for (const auto& peer : tunnel.peers) {
        w.open_object().key("publicKey").text(key_text(peer.public_key));
        w.key("endpoint").text(endpoint_text(peer.host, peer.port));
        write_prefixes(w, "allowedIPs", peer.allowed_ips);
        w.key("persistentKeepalive").number(peer.keepalive);
        if (peer.preshared) w.key("presharedKey").boolean(true);
        w.close();
    }
    w.compact(false).close().close();
}

void write_rules(JsonWriter& w, std::string_view key, const std::vector<FlowRule>& rules,
                 RuleText text) {
    if (rules.empty()) return;
    w.key(key).open_array().compact(true);
    for (const auto& rule : rules) {
        w.open_object().key("rule").text(text(rule));
        w.key("pointer").text(rule.pointer).close();
    }
    w.compact(false).close();
}

std::vector<IpPrefix> prefixes(const nlohmann::json& list, bool interface) {
    std::vector<IpPrefix> out;
    for (const std::string text : list)
        if (auto prefix = parse_prefix(text, interface)) out.push_back(*prefix);
    return out;
}

TunnelPlan read_tunnel(const nlohmann::json& j) {
    TunnelPlan tunnel;
    tunnel.name = j.at("name");
    tunnel.addresses = prefixes(j.at("addresses"), true);
    tunnel.mtu = j.at("mtu");
    for (const auto& item : j.at("peers")) {
        TunnelPeer peer;
        if (const auto key = parse_key(item.at("publicKey").get<std::string>()))
            peer.public_key = *key;
        if (auto endpoint = parse_endpoint(item.at("endpoint").get<std::string>())) {
            peer.host = std::move(endpoint->host);
            peer.port = endpoint->port;
        }
        peer.allowed_ips = prefixes(item.at("allowedIPs"), false);
        peer.keepalive = item.at("persistentKeepalive");
        peer.preshared = item.value("presharedKey", false);
        tunnel.peers.push_back(std::move(peer));
    }
    return tunnel;
}

// A limit that there is not is not written.
constexpr std::pair<const char*, std::uint64_t NetworkLimits::*> kLimits[] = {
    {"send", &NetworkLimits::send},
    {"receive", &NetworkLimits::receive},
    {"volume", &NetworkLimits::volume}};

void write_limits(JsonWriter& w, const NetworkLimits& limits) {
    if (limits == NetworkLimits()) return;
    w.key("limits").open_object();
    for (const auto& [key, limit] : kLimits)
        if (limits.*limit != 0) w.key(key).number(limits.*limit);
    w.close();
}

NetworkLimits read_limits(const nlohmann::json& j) {
    NetworkLimits limits;
    const auto written = j.value("limits", nlohmann::json::object());
    for (const auto& [key, limit] : kLimits) limits.*limit = written.value(key, std::uint64_t{0});
    return limits;
}

std::vector<FlowRule> read_rules(const nlohmann::json& j, const char* key, RuleReader read) {
    std::vector<FlowRule> out;
    for (const auto& item : j.value(key, nlohmann::json::array())) {
        auto rule = read(item.at("rule").get<std::string>());
        if (!rule) continue;
        rule->pointer = item.at("pointer");
        out.push_back(std::move(*rule));
    }
    return out;
}

}  // namespace

void write_network(JsonWriter& w, const NetworkPlan& network) {
    w.key("network").open_object().key("zone").text(word_at(kZoneNames, network.zone));
    if (network.zone == Zone::tunnel) write_tunnel(w, network.tunnel);
    if (!network.dns.empty()) {
        std::vector<std::string> servers;
        for (const auto& server : network.dns) servers.push_back(to_text(server));
        w.key("dns").compact(true).texts(servers).compact(false);
    }
    if (has_wire(network.zone)) w.key("restricted").boolean(network.restricted);
    write_rules(w, "allow", network.allow, destination_text);
    write_rules(w, "deny", network.deny, destination_text);
    write_rules(w, "inbound", network.inbound, source_text);
    write_limits(w, network.limits);
    w.close();
}

NetworkPlan read_network(const nlohmann::json& j) {
    NetworkPlan network;
    const auto zones = split_list(kZoneNames);
    const auto zone = std::ranges::find(zones, j.at("zone").get<std::string>());
    if (zone != zones.end()) network.zone = static_cast<Zone>(zone - zones.begin());
    if (network.zone == Zone::tunnel) network.tunnel = read_tunnel(j.at("tunnel"));
    for (const std::string text : j.value("dns", nlohmann::json::array()))
        if (auto server = parse_dns_server(text)) network.dns.push_back(std::move(*server));
    network.restricted = j.value("restricted", false);
    network.allow = read_rules(j, "allow", parse_destination);
    network.deny = read_rules(j, "deny", parse_destination);
    network.inbound = read_rules(j, "inbound", parse_source);
    network.limits = read_limits(j);
    return network;
}

std::string network_text(const NetworkPlan& network) {
    JsonWriter w;
    w.open_object();
    write_network(w, network);
    w.close();
    return w.take();
}

Result<NetworkPlan> parse_network(const std::string& text) {
    try {
        auto network = read_network(nlohmann::json::parse(text).at("network"));
        if (network_text(network) == text) return network;
    } catch (const nlohmann::json::exception&) {
    }
    return fail(Code::usage, "the plan of the network is of another build");
}

}  // namespace pmos::policy
