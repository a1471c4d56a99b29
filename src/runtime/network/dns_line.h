// network: what a mode's resolver and pmos-net say to each other, over a seqpacket socket. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "policy/network_plan.h"

namespace pmos::network {

inline constexpr std::size_t kMostFound = 64;  // addresses of one answer that are let through

// By the resolver: a name has these addresses for so long; the answer waits until they are reached.
// Or, without a number: the mode asked for a name that it is refused.
struct DnsReport {
    std::uint32_t number = 0, lifetime = 0;  // seconds
    std::string name;
    std::vector<policy::IpPrefix> addresses;
    friend bool operator==(const DnsReport&, const DnsReport&) = default;
};
std::vector<std::uint8_t> report_bytes(const DnsReport& report);
std::optional<DnsReport> read_report(std::span<const std::uint8_t> bytes);
inline constexpr std::size_t kMostReport = 4 + 4 + 1 + 255 + kMostFound * 17;

// By pmos-net: of that number.
struct DnsSettled {
    std::uint32_t number = 0;
    bool reached = false;
};
std::vector<std::uint8_t> settled_bytes(const DnsSettled& settled);
std::optional<DnsSettled> read_settled(std::span<const std::uint8_t> bytes);

}  // namespace pmos::network
