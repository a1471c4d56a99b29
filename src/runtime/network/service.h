// network: protocol and ports as nftables' text. Rules of one service share a set of addresses, so
// that ten thousand of them cost a packet one look-up. Pure.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "policy/network_plan.h"

namespace pmos::network {

struct Service {
    policy::Protocol protocol = policy::Protocol::any;
    std::uint16_t first = 0, last = 65535;  // ports; of icmp all
    friend auto operator<=>(const Service&, const Service&) = default;
};
Service service_of(const policy::FlowRule& rule);
// With a space behind it, or "" for every one.
std::string service_text(const Service& service, bool v6);

}  // namespace pmos::network
