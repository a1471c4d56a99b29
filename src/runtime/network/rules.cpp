// network: nftables' text of what a mode may reach and who may reach it. Pure: loads nothing.
#include "runtime/network/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "policy/connection.h"
#include "policy/destination.h"
#include "runtime/network/name_sets.h"
#include "runtime/network/service.h"

namespace pmos::network {
namespace {

using policy::FlowRule;
using policy::NetworkPlan;

using Services = std::map<Service, std::vector<IpPrefix>>;

// Of those about addresses.
Services by_service(const std::vector<FlowRule>& rules) {
    Services services;
    for (const auto& rule : rules)
        if (rule.name.empty()) services[service_of(rule)].push_back(rule.prefix);
    return services;
}

std::string elements(const std::vector<Range>& ranges) {
    std::string out;
    for (const auto& range : ranges) {
        if (!out.empty()) out += ", ";
        out += address_text(range.first);
        if (range.first != range.last) out += "-" + address_text(range.last);
    }
    return out;
}

// A chain with a rule, and its set, for each service and family. side: "daddr" or "saddr".
std::string flow_chain(std::string_view name, std::string_view side,
                       const std::vector<FlowRule>& rules, std::string_view verdict,
                       std::string_view more = "") {
    std::string sets, chain;
    int number = 0;
    for (const auto& [service, prefixes] : by_service(rules)) {
        for (const bool v6 : {false, true}) {
            const auto ranges = ranges_of(prefixes, v6);
            if (ranges.empty()) continue;
            const std::string_view family = v6 ? "ip6" : "ip";
            std::string match = fmt::format("meta nfproto {} ", v6 ? "ipv6" : "ipv4");
            if (!ranges.front().whole()) {
                const auto set = fmt::format("{}-{}", name, number++);
                sets += fmt::format(
                    "  set {} {{\n    type {}; flags interval;\n    elements = {{ {} }}\n  }}\n",
                    set, v6 ? "ipv6_addr" : "ipv4_addr", elements(ranges));
                match = fmt::format("{} {} @{} ", family, side, set);
            }
            chain += fmt::format("    {}{}{}\n", match, service_text(service, v6), verdict);
        }
    }
    return fmt::format("{}  chain {} {{\n{}{}  }}\n", sets, name, chain, more);
}

std::string only_hosts(std::string_view loss) {
    std::string out;
    for (const auto& prefix : policy::kNotHosts)
        out += fmt::format("    {} daddr {} {}\n", prefix.v6 ? "ip6" : "ip", prefix_text(prefix),
                           loss);
    return out;
}

// Chains "refuse" and "lose", and "log-in" for what comes. Each direction has a limit of its own,
// so that who calls cannot hide what the mode tries.
std::string refusal_chains(bool logs) {
    const auto log = logs ? fmt::format(
                                "    limit rate 64/second burst 64 packets log group {} "
                                "snaplen {}\n",
                                kLogGroup, kLogBytes)
                          : std::string();
    // Told, so that a program need not wait for what does not come.
    return fmt::format(
        "  chain log-in {{\n{0}  }}\n"
        "  chain log-out {{\n{0}  }}\n"
        "  chain refuse {{\n"
        "    jump log-out\n"
        "    reject with icmpx type admin-prohibited\n"
        "  }}\n"
        "  chain lose {{\n"
        "    jump log-out\n"
        "    drop\n"
        "  }}\n",
        log);
}

// How a chain of new connections ends.
struct Ends {
    std::string_view refusal, loss, pass;
};

// Chains "denied" and "allowed"; and how a chain of new connections ends that has come to them.
std::string reach_chains(const NetworkPlan& plan, const Ends& ends) {
    std::string out = flow_chain("denied", "daddr", plan.deny, ends.refusal);
    if (!plan.restricted) return out;
    const NameSets names(plan);
    return out + names.sets() +
           flow_chain("allowed", "daddr", plan.allow, ends.pass, names.rules(ends.pass));
}

// Names are asked for by the mode's resolver, of whom it is to ask, and by nobody else. who:
// matches what is the resolver's.
std::string resolver_only(const NetworkPlan& plan, std::string_view who, const Ends& ends) {
    const auto& [refusal, loss, pass] = ends;
    if (plan.dns.empty()) return "";
    std::string out;
    for (const auto& server : plan.dns)
        out += fmt::format("    {}{} daddr {} meta l4proto {} th dport {} {}\n", who,
                           server.address.v6 ? "ip6" : "ip", address_text(server.address),
                           server.tls_name.empty() ? "{ tcp, udp }" : "tcp", server.port, pass);
    if (!who.empty()) out += fmt::format("    {}{}\n", who, refusal);
    return out + fmt::format("    meta l4proto {{ tcp, udp }} th dport {{ {}, {} }} {}\n",
                             policy::kDnsPort, policy::kDnsTlsPort, refusal);
}

// Of a chain of new connections. resolver: matches what is the mode's resolver's.
std::string reach(const NetworkPlan& plan, std::string_view resolver, const Ends& ends) {
    const auto& [refusal, loss, pass] = ends;
    auto out = only_hosts(loss) + resolver_only(plan, resolver, ends);
    out += "    jump denied\n";
    if (!plan.restricted) return out + fmt::format("    {}\n", pass);
    return out + fmt::format("    jump allowed\n    {}\n", refusal);
}

// Before all else on the loopback: to the resolver's own way to a server (tls_leg.h) nobody speaks
// but itself.
std::string legs_only(const NetworkPlan& plan, std::uint32_t resolver_user) {
    if (!policy::is_over_tls(plan)) return "";
    return fmt::format("    oifname \"lo\" meta skuid != {} tcp dport {} goto refuse\n",
                       resolver_user, policy::kDnsTlsPort);
}

// How what is let through ends: in a chain of the mode's table that counts it, where it is limited.
constexpr std::string_view kAccept = "accept", kSend = "goto send", kReceive = "goto receive";

// What is one packet to the mode's own stack may be many on the wire (GSO), and has to fit at once.
constexpr std::uint32_t kBurst = 128 << 10;

std::string counting_chain(std::string_view verdict, std::uint64_t rate, const NetworkPlan& plan,
                           const Spent& spent) {
    std::string chain;
    if (rate != 0)
        chain +=
            fmt::format("    limit rate over {} bytes/second burst {} bytes drop\n", rate, kBurst);
    if (plan.limits.volume != 0)
        chain += fmt::format("    quota name \"{}\" drop\n", quota_name(spent));
    const auto name = verdict.substr(verdict.find(' ') + 1);
    return fmt::format("  chain {} {{\n{}    accept\n  }}\n", name, chain);
}

// The kernel takes no quota of which more is used than it has (nft_quota.c).
std::string counting_chains(const NetworkPlan& plan, const Spent& spent) {
    if (plan.limits == policy::NetworkLimits()) return "";
    std::string out;
    if (plan.limits.volume != 0)
        out +=
            fmt::format("  quota {} {{\n    over {} bytes used {} bytes\n  }}\n", quota_name(spent),
                        plan.limits.volume, std::min(spent.bytes, plan.limits.volume));
    return out + counting_chain(kSend, plan.limits.send, plan, spent) +
           counting_chain(kReceive, plan.limits.receive, plan, spent);
}

// Who calls the phone from outside, and may speak to the mode, does. The mode looks at who it is
// once more, so that nobody else's redirection leads there.
std::string calls_to_wire(const NetworkPlan& plan, const Part& part) {
    if (plan.inbound.empty()) return "";
    return fmt::format(
        "  chain hand-over {{\n"
        "    meta nfproto ipv4 dnat ip to {}\n"
        "    meta nfproto ipv6 dnat ip6 to {}\n"
        "  }}\n"
        "{}"
        "  chain calls {{\n"
        "    type nat hook prerouting priority dstnat; policy accept;\n"
        "    iifname {{ \"lo\", \"{}*\" }} accept\n"
        "    fib daddr type local jump callers\n"
        "  }}\n",
        address_text(part.mode4), address_text(part.mode6),
        flow_chain("callers", "saddr", plan.inbound, "goto hand-over"), kLinkPrefix);
}

// Counted by themselves, so that who calls takes nothing of what the mode may begin.
std::string called_text(const NetworkPlan& plan, bool counted) {
    if (plan.inbound.empty()) return "";
    constexpr std::string_view kCalled = "    ct state new ct status dnat ";
    const auto count =
        counted ? fmt::format("{}ct count over {} drop\n", kCalled, kMostConnections) : "";
    return fmt::format("{}{}accept\n", count, kCalled);
}

}  // namespace

Table mode_rules(const NetworkPlan& plan, bool logs, std::uint32_t resolver_user,
                 const Spent& spent) {
    const bool limited = plan.limits != policy::NetworkLimits();
    const Ends ends{"goto refuse", "goto lose", limited ? kSend : kAccept};
    const auto receive = limited ? kReceive : kAccept;
    std::string body =
        counting_chains(plan, spent) + refusal_chains(logs) + reach_chains(plan, ends);
    body += flow_chain("inbound", "saddr", plan.inbound, receive);
    body += fmt::format(
        "  chain output {{\n"
        "    type filter hook output priority filter; policy drop;\n"
        "{legs}    oifname \"lo\" accept\n"
        "    oifname != \"{link}\" {loss}\n"
        "    ct state established,related {send}\n"
        "    ct state != new drop\n"
        "{reach}  }}\n"
        "  chain input {{\n"
        "    type filter hook input priority filter; policy drop;\n"
        "    iifname \"lo\" accept\n"
        "    ct state established,related {receive}\n"
        "    iifname \"{link}\" ct state new jump inbound\n"
        "    iifname \"{link}\" ct state new jump log-in\n"
        "  }}\n"
        "  chain forward {{\n"
        "    type filter hook forward priority filter; policy drop;\n"
        "  }}\n",
        fmt::arg("legs", legs_only(plan, resolver_user)), fmt::arg("link", kModeLink),
        fmt::arg("loss", ends.loss), fmt::arg("send", ends.pass), fmt::arg("receive", receive),
        fmt::arg("reach", reach(plan, fmt::format("meta skuid {} ", resolver_user), ends)));
    return {std::string(kModeFamily), std::string(kModeTable), body};
}

std::string wire_table(std::string_view mode) {
    return fmt::format("{}{}", kWireTablePrefix, mode);
}

Table wire_rules(std::string_view mode, const Part& part, const NetworkPlan& plan, bool counted) {
    const Ends ends{"drop", "drop", kAccept};
    std::string body = reach_chains(plan, ends) + calls_to_wire(plan, part);
    body += fmt::format(
        "  chain from-mode {{\n"
        "    oifname \"{prefix}*\" drop\n"
        "    ct state established,related accept\n"
        "    ct state != new drop\n"
        "{count}{reach}  }}\n"
        "  chain to-mode {{\n"
        "    ct state established,related accept\n"
        "{called}    drop\n"
        "  }}\n"
        "  chain source {{\n"
        "    type filter hook prerouting priority raw; policy accept;\n"
        "    iifname \"{link}\" ip saddr != {mode4} drop\n"
        "    iifname \"{link}\" ip6 saddr != {mode6} drop\n"
        "  }}\n"
        "  chain input {{\n"
        "    type filter hook input priority filter - 10; policy accept;\n"
        "    iifname \"{link}\" drop\n"
        "  }}\n"
        "  chain output {{\n"
        "    type filter hook output priority filter - 10; policy accept;\n"
        "    oifname \"{link}\" jump to-mode\n"
        "  }}\n"
        "  chain forward {{\n"
        "    type filter hook forward priority filter - 10; policy accept;\n"
        "    iifname \"{link}\" jump from-mode\n"
        "    oifname \"{link}\" jump to-mode\n"
        "  }}\n"
        "  chain nat {{\n"
        "    type nat hook postrouting priority srcnat; policy accept;\n"
        "    ip saddr {mode4} masquerade\n"
        "    ip6 saddr {mode6} masquerade\n"
        "  }}\n",
        fmt::arg("prefix", kLinkPrefix),
        fmt::arg("count",
                 counted ? fmt::format("    ct count over {} drop\n", kMostConnections) : ""),
        fmt::arg("reach", reach(plan, "", ends)), fmt::arg("called", called_text(plan, counted)),
        fmt::arg("link", part.link()), fmt::arg("mode4", address_text(part.mode4)),
        fmt::arg("mode6", address_text(part.mode6)));
    return {std::string(kWireFamily), wire_table(mode), body};
}

Table guard_rules(bool v6, const std::vector<std::string>& links) {
    std::string before;
    for (const auto& link : links) before += fmt::format("    iifname \"{}\" accept\n", link);
    return {std::string(guard_family(v6)), std::string(kGuardTable),
            fmt::format("  chain forward {{\n"
                        "    type filter hook forward priority filter; policy accept;\n"
                        "{1}    iifname != \"{0}*\" oifname != \"{0}*\" drop\n"
                        "  }}\n",
                        kLinkPrefix, before)};
}

}  // namespace pmos::network
