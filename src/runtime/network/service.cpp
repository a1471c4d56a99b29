// network: protocol and ports as nftables' text. Pure.
#include "runtime/network/service.h"

#include <fmt/format.h>

namespace pmos::network {

using policy::Protocol;

Service service_of(const policy::FlowRule& rule) {
    if (rule.protocol == Protocol::icmp) return {Protocol::icmp, 0, 65535};
    return {rule.protocol, rule.port_first, rule.port_last};
}

std::string service_text(const Service& service, bool v6) {
    const auto [protocol, first, last] = service;
    if (protocol == Protocol::icmp) return v6 ? "meta l4proto ipv6-icmp " : "meta l4proto icmp ";
    const bool all_ports = first == 0 && last == 65535;
    if (protocol == Protocol::any && all_ports) return "";
    const std::string_view word = protocol == Protocol::tcp   ? "tcp"
                                  : protocol == Protocol::udp ? "udp"
                                                              : "{ tcp, udp }";
    if (all_ports) return fmt::format("meta l4proto {} ", word);
    const auto ports = first == last ? std::to_string(first) : fmt::format("{}-{}", first, last);
    return fmt::format("meta l4proto {} th dport {} ", word, ports);
}

}  // namespace pmos::network
