// policy: addresses, prefixes and destinations as profiles write them, to values and back. Looks up
// no name.
//
//   PREFIX       an address, or an address and how many of its bits count: 10.0.0.0/8, fd00::1
//   DESTINATION  [PROTOCOL[/PORTS] to] PREFIX or NAMES
//   SOURCE       [PROTOCOL[/PORTS] from] PREFIX
//   PROTOCOL     tcp, udp or icmp; none: any
//   PORTS        of tcp and udp, one or a range: 443, 5000-5010; none: all
//   NAMES        a name of the DNS; *.NAME, all that is below it; *, every name
//   DNS SERVER   ADDRESS[:PORT], or ADDRESS[:PORT]#NAME, over TLS with a certificate of that name
//   ENDPOINT     ADDRESS:PORT, [ADDRESS]:PORT or NAME:PORT
//
// One thing has one spelling: what to_text and the others below give is read as the same value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "policy/network_plan.h"

namespace pmos::policy {

std::optional<IpPrefix> parse_address(std::string_view text);  // all of its bits count
// `interface`: an address with the length of its net, 10.8.0.2/24; else nothing stands behind the
// bits that count.
Result<IpPrefix> parse_prefix(std::string_view text, bool interface = false);
std::string to_text(const IpPrefix& prefix);       // "10.0.0.0/8"; of one address "10.0.0.1"
std::string address_text(const IpPrefix& prefix);  // without a length
// Without the bits that do not count.
IpPrefix masked(IpPrefix prefix, std::uint8_t length);
bool contains(const IpPrefix& outer, const IpPrefix& inner);
bool is_loopback(const IpPrefix& prefix);  // 127.0.0.0/8 and ::1

// Without a pointer.
Result<FlowRule> parse_destination(std::string_view text);
Result<FlowRule> parse_source(std::string_view text);
std::string destination_text(const FlowRule& rule);
std::string source_text(const FlowRule& rule);
// As rules name names: "example.org", "*.example.org", "*".
bool covers_name(std::string_view outer, std::string_view inner);
// All that could cover it, from itself to "*".
std::vector<std::string> covering_names(std::string_view name);
// Whatever the inner one matches the outer one does. Of a service: by protocol and ports.
bool covers_service(const FlowRule& outer, const FlowRule& inner);
bool covers(const FlowRule& outer, const FlowRule& inner);

Result<DnsServer> parse_dns_server(std::string_view text);
std::string to_text(const DnsServer& server);
inline constexpr std::uint16_t kDnsPort = 53, kDnsTlsPort = 853;

struct Endpoint {
    std::string host;  // a name or an address, this without brackets
    std::uint16_t port = 0;
};
Result<Endpoint> parse_endpoint(std::string_view text);
std::string endpoint_text(const std::string& host, std::uint16_t port);
// A name of the DNS, as those have them who are asked for one.
bool is_dns_name(std::string_view text);
// From `least` to 65535, with nothing in front of it that means nothing.
std::optional<std::uint16_t> parse_port(std::string_view text, std::uint16_t least = 1);

}  // namespace pmos::policy
