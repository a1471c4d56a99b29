// policy: diff: networks: where a mode may connect, and who may connect to it. Asks no host.
#include <fmt/format.h>

#include <map>

#include "policy/destination.h"
#include "policy/diff_parts.h"
#include "policy/names.h"
#include "policy/x25519.h"

namespace pmos::policy {
namespace {

using enum ChangeKind;

// From here on one line says how many there are.
constexpr std::size_t kMaxSingle = 32;

std::string prefix_words(const std::vector<IpPrefix>& list) {
    std::vector<std::string> words;
    for (const auto& prefix : list) words.push_back(to_text(prefix));
    return words.empty() ? "nothing" : some(words);
}

void compare_zone(Teller& t) {
    constexpr Zone kWider[] = {Zone::none, Zone::loopback, Zone::tunnel, Zone::direct};
    constexpr std::string_view kWords[] = {"no network", "a loopback of its own", "a tunnel",
                                           "the phone's uplink"};
    const auto rank = [&](Zone zone) {
        return std::ranges::find(kWider, zone) - std::begin(kWider);
    };
    const auto &from = t.a.plan.network, &to = t.b.plan.network;
    const auto was = rank(from.zone), is = rank(to.zone);
    if (was == is) return;
    const bool bound = to.restricted && !has_wire(from.zone);
    t.say(network, turn_of(was, is), std::max(was, is) > 1 ? Danger::serious : Danger::slight,
          "network",
          fmt::format(
              "{} has {} instead of {}{}", t.m, kWords[is], kWords[was],
              bound ? fmt::format(", and may connect to {} destinations", to.allow.size()) : ""),
          "network");
}

// A peer that both sides have, by its key, and where each has it.
struct PeerPair {
    const TunnelPeer &from, &to;
    std::string at_a, at_b;
};

void tell_peer(Teller& t, const PeerPair& pair, Turn turn, Danger weight, const std::string& key,
               std::string words) {
    t.say(network, turn, weight, fmt::format("{}/{}", key_text(pair.to.public_key), key),
          std::move(words), t.a.where(fmt::format("{}/{}", pair.at_a, key)),
          t.b.where(fmt::format("{}/{}", pair.at_b, key)));
}

// What more is in it is a gain.
void compare_allowed_ips(Teller& t, const PeerPair& pair) {
    const auto &from = pair.from.allowed_ips, &to = pair.to.allowed_ips;
    if (from == to) return;
    const auto within = [](const auto& inner, const auto& outer) {
        return std::ranges::all_of(inner, [&](const IpPrefix& i) {
            return std::ranges::any_of(outer, [&](const IpPrefix& o) { return contains(o, i); });
        });
    };
    const bool narrower = within(to, from), wider = within(from, to);
    tell_peer(t, pair,
              narrower == wider ? Turn::change
              : wider           ? Turn::gain
                                : Turn::loss,
              Danger::moderate, "allowedIPs",
              fmt::format("through {}'s tunnel lies {} instead of {}", t.m, prefix_words(to),
                          prefix_words(from)));
}

void compare_peer(Teller& t, const PeerPair& pair) {
    const auto &from = pair.from, &to = pair.to;
    const auto was = endpoint_text(from.host, from.port), is = endpoint_text(to.host, to.port);
    if (was != is)
        tell_peer(t, pair, Turn::change, Danger::moderate, "endpoint",
                  fmt::format("{} reaches its tunnel's peer at {} instead of {}", t.m, is, was));
    compare_allowed_ips(t, pair);
    if (from.preshared != to.preshared)
        tell_peer(t, pair, Turn::change, to.preshared ? Danger::slight : Danger::serious,
                  "presharedKey",
                  fmt::format("{}'s tunnel {} a preshared key", t.m,
                              to.preshared ? "needs" : "is encrypted without"));
    if (from.keepalive == to.keepalive) return;
    const auto seconds = [](std::uint16_t s) {
        return s == 0 ? "never" : fmt::format("every {} s", s);
    };
    tell_peer(t, pair, Turn::change, Danger::slight, "persistentKeepalive",
              fmt::format("{}'s tunnel is kept alive {} instead of {}", t.m, seconds(to.keepalive),
                          seconds(from.keepalive)));
}

// Who is at the other end sees all that goes through.
void compare_peers(Teller& t, const TunnelPlan& from, const TunnelPlan& to) {
    const auto key = [](std::size_t i) { return fmt::format("network/tunnel/peers/{}", i); };
    const auto find = [](const TunnelPlan& tunnel, const TunnelPeer& peer) {
        return static_cast<std::size_t>(
            std::ranges::find(tunnel.peers, peer.public_key, &TunnelPeer::public_key) -
            tunnel.peers.begin());
    };
    for (std::size_t i = 0; i < to.peers.size(); ++i) {
        const auto& peer = to.peers[i];
        if (const auto old = find(from, peer); old < from.peers.size())
            compare_peer(t, {from.peers[old], peer, key(old), key(i)});
        else
            t.say(network, Turn::gain, Danger::serious, key_text(peer.public_key),
                  fmt::format("{}'s tunnel leads to the peer {} at {}, for {}", t.m,
                              key_text(peer.public_key), endpoint_text(peer.host, peer.port),
                              prefix_words(peer.allowed_ips)),
                  t.a.where("network/tunnel/peers"), t.b.where(key(i)));
    }
    for (std::size_t i = 0; i < from.peers.size(); ++i)
        if (find(to, from.peers[i]) == to.peers.size())
            t.say(network, Turn::loss, Danger::serious, key_text(from.peers[i].public_key),
                  fmt::format("{}'s tunnel no longer leads to the peer {}", t.m,
                              key_text(from.peers[i].public_key)),
                  t.a.where(key(i)), t.b.where("network/tunnel/peers"));
}

void compare_tunnel(Teller& t) {
    if (t.a.plan.network.zone != Zone::tunnel || t.b.plan.network.zone != Zone::tunnel) return;
    const auto &from = t.a.plan.network.tunnel, &to = t.b.plan.network.tunnel;
    if (from.name != to.name)
        t.say(network, Turn::change, Danger::serious, "network/tunnel",
              fmt::format("{}'s tunnel is '{}' instead of '{}'", t.m, to.name, from.name),
              "network/tunnel/name");
    const auto was = prefix_words(from.addresses), is = prefix_words(to.addresses);
    if (was != is)
        t.say(network, Turn::change, Danger::moderate, "network/tunnel/addresses",
              fmt::format("{} is {} in its tunnel instead of {}", t.m, is, was),
              "network/tunnel/addresses");
    if (from.mtu != to.mtu)
        t.say(network, Turn::change, Danger::slight, "network/tunnel/mtu",
              fmt::format("{}'s tunnel takes packets of {} bytes instead of {}", t.m, to.mtu,
                          from.mtu),
              "network/tunnel/mtu");
    compare_peers(t, from, to);
}

// One of the three lists.
struct RuleList {
    std::string_view key;
    std::vector<FlowRule> NetworkPlan::*rules = nullptr;
    std::string (*text)(const FlowRule&) = nullptr;
    bool wider = true;                 // with more in it
    std::string_view can{}, cannot{};  // "{mode} {can} {rules}"
};
const RuleList kLists[] = {
    {"network/egress/allow", &NetworkPlan::allow, destination_text, true, "may connect to",
     "may no longer connect to"},
    {"network/egress/deny", &NetworkPlan::deny, destination_text, false, "may connect to",
     "may no longer connect to"},
    {"network/inbound", &NetworkPlan::inbound, source_text, true,
     "admits connections:", "no longer admits connections:"},
};

// A rule without a port lets everything of its net in, one without a net everybody.
Danger danger_of(const RuleList& list, const FlowRule& rule) {
    const bool all_ports =
        rule.protocol == Protocol::any ||
        (rule.protocol != Protocol::icmp && rule.port_first == 0 && rule.port_last == UINT16_MAX);
    const bool everywhere = rule.name.empty() ? rule.prefix.length == 0 : rule.name == "*";
    return everywhere || (list.rules == &NetworkPlan::inbound && all_ports) ? Danger::serious
                                                                            : Danger::moderate;
}

void tell_rules(Teller& t, const RuleList& list, const std::vector<FlowRule>& fresh,
                const std::vector<FlowRule>& others, bool added) {
    const Turn turn = added == list.wider ? Turn::gain : Turn::loss;
    const auto words = turn == Turn::gain ? list.can : list.cannot;
    const auto here = [&](const Half& half, const std::string& pointer, bool own) {
        return half.where(own ? std::string_view(pointer) : list.key);
    };
    const auto say = [&](Turn way, Danger weight, const FlowRule& rule,
                         std::string text) -> Change& {
        return t.say(network, way, weight, list.text(rule), std::move(text),
                     here(t.a, rule.pointer, !added), here(t.b, rule.pointer, added));
    };
    if (fresh.size() > kMaxSingle) {
        Danger worst = Danger::moderate;
        std::vector<std::string> texts;
        for (const auto& rule : fresh) {
            texts.push_back(list.text(rule));
            worst = std::max(worst, danger_of(list, rule));
        }
        auto& change =
            say(turn, worst, fresh.front(), fmt::format("{} {} {}", t.m, words, some(texts)));
        change.what = list.key;
        change.items = std::move(texts);
        return;
    }
    for (const auto& rule : fresh) {
        const auto cover = std::ranges::find_if(
            others, [&](const FlowRule& other) { return covers(other, rule); });
        if (cover == others.end())
            say(turn, danger_of(list, rule), rule,
                fmt::format("{} {} '{}'", t.m, words, list.text(rule)));
        else
            say(Turn::change, Danger::slight, rule,
                fmt::format("{}'s {} {} '{}', which '{}' covers", t.m, list.key,
                            added ? "names" : "no longer names", list.text(rule),
                            list.text(*cover)));
    }
}

std::vector<FlowRule> without(const std::vector<FlowRule>& rules,
                              const std::vector<FlowRule>& others,
                              std::string (*text)(const FlowRule&)) {
    std::set<std::string> known;
    for (const auto& rule : others) known.insert(text(rule));
    std::vector<FlowRule> out;
    for (const auto& rule : rules)
        if (!known.contains(text(rule))) out.push_back(rule);
    return out;
}

void compare_rules(Teller& t, const RuleList& list) {
    const auto &a = t.a.plan.network, &b = t.b.plan.network;
    if (!has_wire(a.zone) || !has_wire(b.zone)) return;
    const auto &from = a.*list.rules, &to = b.*list.rules;
    if (list.rules == &NetworkPlan::allow && a.restricted != b.restricted) {
        // Without a list there is no bound.
        std::vector<std::string> texts;
        for (const auto& rule : to) texts.push_back(list.text(rule));
        t.say(network, a.restricted ? Turn::gain : Turn::loss, Danger::serious,
              std::string(list.key),
              a.restricted ? fmt::format("{} may connect anywhere its network leads", t.m)
                           : fmt::format("{} may connect only to: {}", t.m,
                                         texts.empty() ? "nothing" : some(texts)),
              list.key);
        return;
    }
    tell_rules(t, list, without(to, from, list.text), from, true);
    tell_rules(t, list, without(from, to, list.text), to, false);
}

// Who is asked knows what the mode talks to; in the clear everybody on the way does.
void compare_resolvers(Teller& t) {
    const auto list = [](const Half& half) {
        std::vector<std::string> out;
        for (const auto& server : half.plan.network.dns) out.push_back(to_text(server));
        return out;
    };
    const auto before = list(t.a), after = list(t.b);
    if (before == after) return;
    const bool bares =
        is_over_tls(t.a.plan.network) && !is_over_tls(t.b.plan.network) && !after.empty();
    t.say(network, Turn::change, bares ? Danger::serious : Danger::moderate, "network/dns",
          fmt::format("{} asks for names at {} instead of {}", t.m,
                      after.empty() ? "no resolver" : some(after),
                      before.empty() ? "none" : some(before)) +
              (bares ? ", in the clear and no more over TLS" : ""),
          "network/dns");
}

void compare_rates(Teller& t) {
    struct Limit {
        std::string_view key, words, unit;
        std::uint64_t NetworkLimits::*of;
    };
    constexpr Limit kLimits[] = {
        {"network/limits/send", "may send", "a second", &NetworkLimits::send},
        {"network/limits/receive", "may receive", "a second", &NetworkLimits::receive},
        {"network/limits/volume", "may send and receive", "a day", &NetworkLimits::volume}};
    const auto &a = t.a.plan.network, &b = t.b.plan.network;
    if (!has_wire(a.zone) || !has_wire(b.zone)) return;
    for (const auto& limit : kLimits) {
        const auto from = a.limits.*limit.of, to = b.limits.*limit.of;
        if (from == to) continue;
        const auto words = [&](std::uint64_t bytes) {
            return bytes == 0 ? "without a limit"
                              : fmt::format("{} {}", size_words(bytes), limit.unit);
        };
        // Without one there is no bound: 0 is the most.
        t.say(network, to - 1 > from - 1 ? Turn::gain : Turn::loss, Danger::slight,
              std::string(limit.key),
              fmt::format("{} {} {} instead of {}", t.m, limit.words, words(to), words(from)),
              limit.key);
    }
}

}  // namespace

void compare_network(Teller& t) {
    compare_zone(t);
    compare_tunnel(t);
    compare_resolvers(t);
    compare_rates(t);
    for (const auto& list : kLists) compare_rules(t, list);
}

}  // namespace pmos::policy
