// network: which addresses a mode's wire has, by its number. Pure.
#include "runtime/network/part.h"

#include <algorithm>
#include <charconv>
#include <vector>

namespace pmos::network {
namespace {

// RFC 2544: for tests of equipment, and so of no network that a phone is in. 198.18.0.0/15.
IpPrefix address4(unsigned number, unsigned host) {
    const std::uint32_t value = 0xc6120000U + number * 4 + host;
    IpPrefix made;
    made.length = 30;
    for (unsigned i = 0; i < 4; ++i)
        made.bytes[i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
    return made;
}

// RFC 4193: fd70:6d6f:7300:NUMBER::HOST.
IpPrefix address6(unsigned number, unsigned host) {
    IpPrefix made;
    made.v6 = true;
    made.length = 126;
    made.bytes = {0xfd, 0x70, 0x6d, 0x6f, 0x73, 0x00};
    made.bytes[6] = static_cast<std::uint8_t>(number >> 8U);
    made.bytes[7] = static_cast<std::uint8_t>(number);
    made.bytes[15] = static_cast<std::uint8_t>(host);
    return made;
}

// A VPN of the phone's has 0.0.0.0/1 and 128.0.0.0/1 for everything: what is narrower goes before.
bool is_to_everywhere(const IpPrefix& prefix) { return prefix.length < (prefix.v6 ? 16 : 8); }

}  // namespace

std::string Part::link() const { return kLinkPrefix + std::to_string(number); }

Part part_of(unsigned number) {
    return {number, address4(number, 1), address4(number, 2), address6(number, 1),
            address6(number, 2)};
}

std::optional<unsigned> part_number(std::string_view link) {
    const std::string_view prefix = kLinkPrefix;
    if (!link.starts_with(prefix)) return std::nullopt;
    link.remove_prefix(prefix.size());
    unsigned number = 0;
    const auto [end, error] = std::from_chars(link.data(), link.data() + link.size(), number);
    if (error != std::errc() || end != link.data() + link.size() || number >= kParts)
        return std::nullopt;
    return number;
}

std::optional<Part> free_part(std::span<const unsigned> taken, std::span<const IpPrefix> used,
                              unsigned from) {
    std::vector<IpPrefix> met;
    std::ranges::remove_copy_if(used, std::back_inserter(met), is_to_everywhere);
    for (unsigned tried = 0; tried < kParts; ++tried) {
        const unsigned number = (from + tried) % kParts;
        if (std::ranges::find(taken, number) != taken.end()) continue;
        const Part part = part_of(number);
        if (std::ranges::none_of(met, [&](const IpPrefix& prefix) {
                return meet(prefix, part.phone4) || meet(prefix, part.phone6);
            }))
            return part;
    }
    return std::nullopt;
}

}  // namespace pmos::network
