// network: addresses and prefixes: their texts, and whether they meet. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "policy/destination.h"
#include "policy/network_plan.h"

namespace pmos::network {

using policy::address_text;
using policy::IpPrefix;

constexpr std::uint8_t whole_length(bool v6) { return v6 ? 128 : 32; }
inline std::span<const std::uint8_t> address_bytes(const IpPrefix& prefix) {
    return std::span(prefix.bytes).first(prefix.v6 ? 16 : 4);
}
std::string prefix_text(const IpPrefix& prefix);
// nullopt: of another length than an address has.
std::optional<IpPrefix> prefix_of(std::span<const std::uint8_t> address, std::uint8_t length);
// The first address of the prefix as one.
IpPrefix first_of(const IpPrefix& prefix);
bool meet(const IpPrefix& a, const IpPrefix& b);

// Of one family, from the first to the last address.
struct Range {
    IpPrefix first, last;
    bool whole() const;  // all that the family has
    friend bool operator==(const Range&, const Range&) = default;
};
// What the prefixes of one family cover, in order; no two touch.
std::vector<Range> ranges_of(std::span<const IpPrefix> prefixes, bool v6);

}  // namespace pmos::network
