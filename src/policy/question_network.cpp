// policy: questions about connections. Asks no host, looks up no name.
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>

#include "policy/connection.h"
#include "policy/destination.h"
#include "policy/names.h"
#include "policy/question_change.h"

namespace pmos::policy {
namespace {

constexpr std::string_view kSuch =
    "write 10.0.0.1:443, [fd00::1]:443, 10.0.0.1:53/udp or 10.0.0.1 icmp";

struct Wanted {
    Connection connection;
    std::string name;  // of the DNS, instead of the connection's address
};

std::unexpected<Error> unclear(std::string what, std::string why = "") {
    return fail(Code::usage, std::move(what), std::move(why), std::string(kSuch));
}

// "443/udp", "udp/443" as rules have it, "443", "icmp".
Result<> take_service(std::string_view text, Connection& connection) {
    const auto protocol = [&](std::string_view word) {
        connection.protocol = word == "udp" ? Protocol::udp : Protocol::tcp;
        return word == "tcp" || word == "udp";
    };
    if (text == "icmp") {
        connection.protocol = Protocol::icmp;
        return {};
    }
    const auto slash = text.find('/');
    auto port = text.substr(0, slash);
    if (slash != std::string_view::npos && !protocol(text.substr(slash + 1))) {
        if (!protocol(port))
            return unclear(fmt::format("'{}' is no port of tcp or udp", shown(text)));
        port = text.substr(slash + 1);
    }
    const auto number = parse_port(port);
    if (!number) return unclear(fmt::format("'{}' is not a port", shown(port)));
    connection.port = *number;
    return {};
}

Result<Wanted> parse_wanted(std::string_view destination, std::string_view how) {
    Wanted out;
    auto host = destination;
    if (how.empty()) {
        const auto colon = destination.rfind(':');
        if (colon == std::string_view::npos || parse_address(destination))
            return unclear(fmt::format("'{}' has no port", shown(destination)));
        host = destination.substr(0, colon);
        how = destination.substr(colon + 1);
    }
    PMOS_TRY(take_service(how, out.connection));
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (const auto address = parse_address(host)) {
        out.connection.address = *address;
        return out;
    }
    if (!is_dns_name(host)) return unclear(fmt::format("'{}' is not an address", shown(host)));
    out.name = host;
    return out;
}

// This very call, with zeros for the other arguments.
bool lets(const Subject& s, const std::string& call, std::vector<std::uint64_t> args) {
    const auto tried = call_cases(s, {Topic::syscall, call, "", std::move(args), true});
    return !tried.empty() && tried.front().verdict == verdict_allow().ret;
}

bool has_socket(const Subject& s, const Wanted& wanted) {
    const std::uint64_t type =
        wanted.connection.protocol == Protocol::tcp ? SOCK_STREAM : SOCK_DGRAM;
    const auto family = [&](int number) {
        return lets(s, "socket", {static_cast<std::uint64_t>(number), type});
    };
    const bool v6 = wanted.connection.address.v6;
    const bool made =
        wanted.name.empty() ? family(v6 ? AF_INET6 : AF_INET) : family(AF_INET) || family(AF_INET6);
    return made && lets(s, "connect", {});
}

Answer no_socket(const Subject& s) {
    Answer answer{Ruling::refused,
                  "seccomp-not-allowed",
                  "no socket can be made or connected",
                  s.profile.where("seccomp/allow"),
                  {},
                  "add \"@network-io\" to seccomp/allow",
                  {},
                  false};
    weigh(s, answer, [](Node& tree) {
        make_key(tree, "seccomp/allow", Node::Kind::array)
            .items.push_back(text_node("@network-io"));
    });
    return answer;
}

// The rule that would let this one through and nothing else.
std::string rule_for(const Wanted& wanted) {
    const auto& connection = wanted.connection;
    FlowRule rule{connection.address, connection.protocol, 0, UINT16_MAX, "", wanted.name};
    if (connection.protocol != Protocol::icmp) rule.port_first = rule.port_last = connection.port;
    return destination_text(rule);
}

std::string why_of(const Subject& s, const ConnectionVerdict& verdict) {
    const auto& network = s.plan.network;
    switch (verdict.reason) {
        case ConnectionReason::loopback:
            return "the mode has a loopback interface of its own";
        case ConnectionReason::uplink:
            return "the mode has the phone's uplink";
        case ConnectionReason::tunnel:
            return fmt::format("through the tunnel '{}', and by no other way", network.tunnel.name);
        case ConnectionReason::rule:
            return fmt::format("'{}' allows it{}", destination_text(*verdict.rule),
                               network.zone == Zone::tunnel
                                   ? fmt::format(", through the tunnel '{}'", network.tunnel.name)
                                   : "");
        case ConnectionReason::no_interface:
            return fmt::format("the network is '{}': there is no route",
                               word_at(kZoneNames, network.zone));
        case ConnectionReason::no_route:
            return fmt::format("no peer of the tunnel '{}' has this address", network.tunnel.name);
        case ConnectionReason::not_a_host:
            return "multicast, broadcast and link-local addresses are never reached";
        case ConnectionReason::denied:
            return fmt::format("'{}' denies it", destination_text(*verdict.rule));
        case ConnectionReason::not_allowed:
            return "nothing in the list of what is allowed matches it";
        case ConnectionReason::no_resolver:
            return "the mode has no resolver: it reaches addresses, and no names";
        case ConnectionReason::other_resolver:
            return "the mode's own resolver, at 127.0.0.1, is the only one that asks for names";
    }
    return "";
}

// Where a name is nobody knows here.
std::string why_of_name(const Subject& s, const Wanted& wanted, const ConnectionVerdict& verdict) {
    auto why = why_of(s, verdict);
    if (verdict.allowed)
        why += fmt::format(
            "; '{}' is looked up, and no line must deny the address that it has then", wanted.name);
    return why;
}

void add_change(const Subject& s, const Wanted& wanted, const ConnectionVerdict& verdict,
                Answer& answer) {
    switch (verdict.reason) {
        case ConnectionReason::no_interface: {
            const std::string zone = is_loopback(wanted.connection.address) ? "loopback" : "direct";
            answer.change = fmt::format("write \"network\": \"{}\"", zone);
            return weigh(s, answer, [&](Node& tree) {
                make_key(tree, "network", Node::Kind::string) = text_node(zone);
            });
        }
        case ConnectionReason::not_allowed: {
            const auto rule = rule_for(wanted);
            answer.change = fmt::format("add \"{}\" to network/egress/allow", rule);
            return weigh(s, answer, [&](Node& tree) {
                make_key(tree, "network/egress/allow", Node::Kind::array)
                    .items.push_back(text_node(rule));
            });
        }
        case ConnectionReason::denied: {
            answer.change = fmt::format("remove \"{}\" from network/egress/deny",
                                        destination_text(*verdict.rule));
            return weigh(s, answer, [&](Node& tree) {
                auto& items = make_key(tree, "network/egress/deny", Node::Kind::array).items;
                const auto at = static_cast<std::size_t>(verdict.rule - s.plan.network.deny.data());
                if (at < items.size()) items.erase(items.begin() + static_cast<std::ptrdiff_t>(at));
            });
        }
        case ConnectionReason::no_route:
            answer.change =
                fmt::format("add \"{}\" to the allowedIPs of the peer that it is behind",
                            to_text(wanted.connection.address));
            return;
        case ConnectionReason::no_resolver:
            answer.change = "name resolvers in network/dns";
            return;
        default:
            return;
    }
}

// Where its name leads is known to the mode's resolver alone, for as long as an answer is good.
std::string unless_by_name(const NetworkPlan& network, const Connection& connection) {
    const auto may = std::ranges::find_if(network.allow, [&](const FlowRule& rule) {
        return !rule.name.empty() && is_service(rule, connection);
    });
    if (may == network.allow.end()) return "";
    return fmt::format(", unless a name leads there that is allowed, as by '{}': ask by the name",
                       destination_text(*may));
}

std::string_view rule_of(ConnectionReason reason) {
    if (reason == ConnectionReason::no_route) return "network-route";
    const bool by_rule = reason == ConnectionReason::rule || reason == ConnectionReason::denied ||
                         reason == ConnectionReason::not_allowed;
    return by_rule ? "network-egress" : "network";
}

}  // namespace

Result<Connection> asked_connection(const std::string& destination, const std::string& how) {
    PMOS_ASSIGN(const auto wanted, parse_wanted(destination, how));
    if (!wanted.name.empty())
        return unclear(fmt::format("'{}' is not an address", shown(wanted.name)),
                       "names are not looked up");
    return wanted.connection;
}

Result<Answer> ask_connect(const Subject& s, const std::string& destination,
                           const std::string& how) {
    PMOS_ASSIGN(const auto wanted, parse_wanted(destination, how));
    if (!has_socket(s, wanted)) return no_socket(s);
    const auto verdict = wanted.name.empty()
                             ? judge_outbound(s.plan.network, wanted.connection)
                             : judge_name(s.plan.network, wanted.name, wanted.connection);
    Answer answer{verdict.allowed ? Ruling::allowed : Ruling::refused,
                  std::string(rule_of(verdict.reason)),
                  wanted.name.empty() ? why_of(s, verdict) : why_of_name(s, wanted, verdict),
                  s.profile.where(verdict.pointer),
                  {},
                  "",
                  {}};
    if (!verdict.allowed) add_change(s, wanted, verdict, answer);
    if (wanted.name.empty() && verdict.reason == ConnectionReason::not_allowed)
        answer.why += unless_by_name(s.plan.network, wanted.connection);
    return answer;
}

}  // namespace pmos::policy
