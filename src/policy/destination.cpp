// policy: addresses, prefixes and destinations as profiles write them. Looks up no name.
#include "policy/destination.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstring>

#include "policy/diagnostic.h"
#include "policy/names.h"

namespace pmos::policy {
namespace {

constexpr std::size_t bits_of(bool v6) { return v6 ? 128 : 32; }

bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }
char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

Error bad(std::string what, std::string fix) {
    Error error;
    error.code = Code::usage;
    error.what = std::move(what);
    error.fix = std::move(fix);
    return error;
}

// The kernel routes it as IPv4: a rule for IPv6 would never match.
bool is_mapped(const IpPrefix& p) {
    constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return p.v6 && std::equal(kMapped.begin(), kMapped.end(), p.bytes.begin());
}

Error not_an_address(std::string_view text) {
    return bad(fmt::format("'{}' is not an address", shown(text)),
               "such as 10.0.0.1, 10.0.0.0/8 or fd00::/8");
}

constexpr std::string_view kTo = " to ", kFrom = " from ";

// What is neither a name nor "*" is left to those who read addresses.
bool take_names(std::string_view text, FlowRule& rule) {
    const auto name = text.starts_with("*.") ? text.substr(2) : text;
    // A name of one label is nobody's, and more likely an address with a slip in it.
    const bool known = is_dns_name(name) && (name.size() < text.size() || name.contains('.'));
    if (text != "*" && !known) return false;
    rule.name = text;
    std::ranges::transform(rule.name, rule.name.begin(), lower);
    return true;
}

Result<> parse_protocol(std::string_view text, FlowRule& rule) {
    const auto slash = text.find('/');
    const auto word = text.substr(0, slash);
    const auto words = split_list(kProtocolNames);
    const auto it = std::find(words.begin() + 1, words.end(), word);
    if (it == words.end())
        return fail(bad(fmt::format("'{}' is not a protocol", shown(word)), "tcp, udp or icmp"));
    rule.protocol = static_cast<Protocol>(it - words.begin());
    if (slash == std::string_view::npos) return {};
    if (rule.protocol == Protocol::icmp) return fail(bad("icmp has no ports", "write icmp alone"));
    const auto ports = text.substr(slash + 1);
    const auto dash = ports.find('-');
    const auto first = parse_port(ports.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_port(ports.substr(dash + 1));
    if (!first || !last || *first > *last)
        return fail(bad(fmt::format("'{}' is not a port, nor a range of ports", shown(ports)),
                        "from 1 to 65535, such as 443 or 5000-5010"));
    rule.port_first = *first;
    rule.port_last = *last;
    return {};
}

Result<FlowRule> parse_flow(std::string_view text, std::string_view link, std::string_view other) {
    FlowRule rule;
    const auto at = text.find(link);
    if (at != std::string_view::npos) {
        PMOS_TRY(parse_protocol(text.substr(0, at), rule));
        text.remove_prefix(at + link.size());
    } else if (text.contains(' ') || std::ranges::any_of(split_list(kProtocolNames), [&](auto p) {
                   return text == p || text.starts_with(fmt::format("{}/", p));
               })) {
        const auto wrong = text.contains(other)
                               ? fmt::format("it is '{}' here", link.substr(1, link.size() - 2))
                               : std::string("it says not whom it is about");
        return fail(bad(fmt::format("'{}' cannot be read: {}", shown(text), wrong),
                        fmt::format("such as tcp/443{}203.0.113.0/24", link)));
    }
    if (link == kTo && take_names(text, rule)) return rule;
    PMOS_ASSIGN(rule.prefix, parse_prefix(text));
    return rule;
}

std::string flow_text(const FlowRule& rule, std::string_view link) {
    const auto prefix = rule.name.empty() ? to_text(rule.prefix) : rule.name;
    if (rule.protocol == Protocol::any) return prefix;
    std::string ports;
    if (rule.port_first != 0 || rule.port_last != UINT16_MAX)
        ports = rule.port_first == rule.port_last
                    ? fmt::format("/{}", rule.port_first)
                    : fmt::format("/{}-{}", rule.port_first, rule.port_last);
    return fmt::format("{}{}{}{}", word_at(kProtocolNames, rule.protocol), ports, link, prefix);
}

}  // namespace

std::optional<std::uint16_t> parse_port(std::string_view text, std::uint16_t least) {
    if (text.empty() || text.size() > 5 || !std::ranges::all_of(text, is_digit)) return {};
    if (text.size() > 1 && text.front() == '0') return {};
    std::uint32_t value = 0;
    for (const char c : text) value = value * 10 + static_cast<std::uint32_t>(c - '0');
    if (value < least || value > UINT16_MAX) return {};
    return static_cast<std::uint16_t>(value);
}

std::optional<IpPrefix> parse_address(std::string_view text) {
    char plain[INET6_ADDRSTRLEN] = {};
    if (text.size() >= sizeof plain || text.contains('\0')) return {};
    std::ranges::copy(text, plain);
    IpPrefix out;
    out.v6 = text.contains(':');
    out.length = static_cast<std::uint8_t>(bits_of(out.v6));
    if (::inet_pton(out.v6 ? AF_INET6 : AF_INET, plain, out.bytes.data()) != 1) return {};
    return out;
}

IpPrefix masked(IpPrefix prefix, std::uint8_t length) {
    prefix.length = length;
    for (std::size_t i = 0; i < prefix.bytes.size(); ++i) {
        const std::size_t kept =
            std::min<std::size_t>(length - std::min<std::size_t>(length, i * 8), 8);
        prefix.bytes.at(i) &= static_cast<std::uint8_t>(0xff00U >> kept);
    }
    return prefix;
}

Result<IpPrefix> parse_prefix(std::string_view text, bool interface) {
    const auto slash = text.find('/');
    auto prefix = parse_address(text.substr(0, slash));
    if (!prefix) return fail(not_an_address(text.substr(0, slash)));
    if (is_mapped(*prefix))
        return fail(bad(fmt::format("'{}' is an address of IPv4 in disguise", shown(text)),
                        "write it as 10.0.0.1"));
    if (slash == std::string_view::npos) return *prefix;
    const auto length = parse_port(text.substr(slash + 1), 0);
    if (!length || *length > bits_of(prefix->v6))
        return fail(bad(fmt::format("'{}' has no length that its address could have", shown(text)),
                        fmt::format("from /0 to /{}", bits_of(prefix->v6))));
    const auto whole = masked(*prefix, static_cast<std::uint8_t>(*length));
    if (!interface && whole.bytes != prefix->bytes)
        return fail(bad(fmt::format("'{}' has bits behind its length", shown(text)),
                        fmt::format("did you mean '{}'?", to_text(whole))));
    prefix->length = whole.length;
    return *prefix;
}

std::string address_text(const IpPrefix& prefix) {
    char text[INET6_ADDRSTRLEN] = {};
    ::inet_ntop(prefix.v6 ? AF_INET6 : AF_INET, prefix.bytes.data(), text, sizeof text);
    return text;
}

std::string to_text(const IpPrefix& prefix) {
    if (prefix.length == bits_of(prefix.v6)) return address_text(prefix);
    return fmt::format("{}/{}", address_text(prefix), prefix.length);
}

bool contains(const IpPrefix& outer, const IpPrefix& inner) {
    return outer.v6 == inner.v6 && outer.length <= inner.length &&
           masked(inner, outer.length).bytes == masked(outer, outer.length).bytes;
}

bool is_loopback(const IpPrefix& prefix) {
    static const IpPrefix kV4{{127}, false, 8}, kV6 = *parse_address("::1");
    return contains(prefix.v6 ? kV6 : kV4, prefix);
}

Result<FlowRule> parse_destination(std::string_view text) { return parse_flow(text, kTo, kFrom); }
Result<FlowRule> parse_source(std::string_view text) { return parse_flow(text, kFrom, kTo); }
std::string destination_text(const FlowRule& rule) { return flow_text(rule, kTo); }
std::string source_text(const FlowRule& rule) { return flow_text(rule, kFrom); }

// Between a name and an address nothing is known.
bool covers_name(std::string_view outer, std::string_view inner) {
    if (outer.empty() || inner.empty()) return false;
    if (outer == "*" || outer == inner) return true;
    return outer.starts_with("*.") && inner.ends_with(outer.substr(1)) &&
           inner.size() > outer.size() - 1;
}

std::vector<std::string> covering_names(std::string_view name) {
    std::vector<std::string> out{std::string(name)};
    for (auto dot = name.find('.', name.starts_with("*.") ? 2 : 0); dot != std::string_view::npos;
         dot = name.find('.', dot + 1))
        out.push_back("*" + std::string(name.substr(dot)));
    if (name != "*") out.emplace_back("*");
    return out;
}

bool covers_service(const FlowRule& outer, const FlowRule& inner) {
    return outer.protocol == Protocol::any ||
           (outer.protocol == inner.protocol && outer.port_first <= inner.port_first &&
            outer.port_last >= inner.port_last);
}

bool covers(const FlowRule& outer, const FlowRule& inner) {
    return covers_service(outer, inner) &&
           (outer.name.empty() && inner.name.empty() ? contains(outer.prefix, inner.prefix)
                                                     : covers_name(outer.name, inner.name));
}

bool is_dns_name(std::string_view text) {
    if (text.empty() || text.size() > 253) return false;
    std::string_view label;
    while (!text.empty()) {
        const auto dot = text.find('.');
        label = text.substr(0, dot);
        if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-' ||
            !std::ranges::all_of(label,
                                 [](char c) { return is_letter(c) || is_digit(c) || c == '-'; }))
            return false;
        if (dot == std::string_view::npos) break;
        text.remove_prefix(dot + 1);
        if (text.empty()) return false;  // a dot at the end
    }
    // Else it is an address with a slip in it, which some would read as another one.
    return std::ranges::any_of(label, is_letter);
}

Result<Endpoint> parse_endpoint(std::string_view text) {
    constexpr std::string_view kSuch = "such as vpn.example.org:51820 or [2001:db8::1]:51820";
    const auto refuse = [&](std::string_view why) {
        return fail(
            bad(fmt::format("'{}' is not an endpoint: {}", shown(text), why), std::string(kSuch)));
    };
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return refuse("it has no port");
    const auto port = parse_port(text.substr(colon + 1));
    if (!port) return refuse("a port is from 1 to 65535");
    auto host = text.substr(0, colon);
    const bool bracket = host.starts_with('[') && host.ends_with(']');
    if (bracket) host = host.substr(1, host.size() - 2);
    const auto address = parse_address(host);
    if (address && address->v6 != bracket)
        return refuse(bracket ? "brackets are for IPv6" : "IPv6 stands in brackets");
    if (!address && (bracket || !is_dns_name(host)))
        return refuse("it is neither an address nor a name");
    if (address && is_mapped(*address)) return refuse("it is IPv4 in disguise");
    return Endpoint{address ? address_text(*address) : std::string(host), *port};
}

Result<DnsServer> parse_dns_server(std::string_view text) {
    const auto refuse = [&](std::string_view why) {
        return fail(bad(fmt::format("'{}' is no resolver: {}", shown(text), why),
                        "such as 9.9.9.9, [2620:fe::fe]:53 or 9.9.9.9#dns.quad9.net"));
    };
    DnsServer server;
    const auto hash = text.find('#');
    auto place = text.substr(0, hash);
    if (hash != std::string_view::npos) {
        if (!is_dns_name(text.substr(hash + 1))) return refuse("behind '#' is no name");
        server.tls_name = text.substr(hash + 1);
    }
    server.port = server.tls_name.empty() ? kDnsPort : kDnsTlsPort;
    if (const auto address = parse_address(place)) {
        server.address = *address;
    } else {
        const auto endpoint = parse_endpoint(place);
        const auto known = endpoint ? parse_address(endpoint->host) : std::nullopt;
        if (!known) return refuse("it has no address");
        server.address = *known;
        server.port = endpoint->port;
    }
    if (is_mapped(server.address)) return refuse("it is IPv4 in disguise");
    if (is_loopback(server.address)) return refuse("in the mode's own loopback is nobody");
    if (server.address.bytes == IpPrefix{}.bytes) return refuse("it is nobody's address");
    return server;
}

std::string to_text(const DnsServer& server) {
    const auto host = address_text(server.address);
    const auto usual = server.tls_name.empty() ? kDnsPort : kDnsTlsPort;
    return fmt::format("{}{}{}", server.port == usual ? host : endpoint_text(host, server.port),
                       server.tls_name.empty() ? "" : "#", server.tls_name);
}

std::string endpoint_text(const std::string& host, std::uint16_t port) {
    return host.contains(':') ? fmt::format("[{}]:{}", host, port)
                              : fmt::format("{}:{}", host, port);
}

}  // namespace pmos::policy
