// network: addresses and prefixes: their texts, and whether they meet. Pure.
#include "runtime/network/prefix.h"

#include <fmt/format.h>

#include <algorithm>

namespace pmos::network {
namespace {

// The bits behind the prefix, all zero or all one.
IpPrefix filled(IpPrefix prefix, bool ones) {
    const std::size_t bits = whole_length(prefix.v6);
    for (std::size_t bit = prefix.length; bit < bits; ++bit) {
        const auto mask = static_cast<std::uint8_t>(0x80U >> (bit % 8));
        auto& byte = prefix.bytes[bit / 8];
        byte = static_cast<std::uint8_t>(ones ? byte | mask : byte & ~mask);
    }
    std::fill(prefix.bytes.begin() + static_cast<std::ptrdiff_t>(bits / 8), prefix.bytes.end(), 0);
    prefix.length = whole_length(prefix.v6);
    return prefix;
}

bool all(const IpPrefix& address, std::uint8_t value) {
    return std::ranges::all_of(address_bytes(address),
                               [value](std::uint8_t byte) { return byte == value; });
}

// Whether b begins not later than right behind a's end.
bool reaches(const IpPrefix& end, const IpPrefix& begin) {
    if (begin.bytes <= end.bytes || all(end, 0xff)) return true;
    IpPrefix next = end;
    for (std::size_t i = whole_length(end.v6) / 8; i-- > 0;)
        if (++next.bytes[i] != 0) break;
    return begin.bytes == next.bytes;
}

}  // namespace

std::string prefix_text(const IpPrefix& prefix) {
    return fmt::format("{}/{}", address_text(prefix), prefix.length);
}

std::optional<IpPrefix> prefix_of(std::span<const std::uint8_t> address, std::uint8_t length) {
    IpPrefix made;
    if (address.size() != 4 && address.size() != 16) return std::nullopt;
    made.v6 = address.size() == 16;
    if (length > whole_length(made.v6)) return std::nullopt;
    made.length = length;
    std::ranges::copy(address, made.bytes.begin());
    return made;
}

IpPrefix first_of(const IpPrefix& prefix) { return filled(prefix, false); }

bool meet(const IpPrefix& a, const IpPrefix& b) {
    return a.v6 == b.v6 && filled(a, false).bytes <= filled(b, true).bytes &&
           filled(b, false).bytes <= filled(a, true).bytes;
}

bool Range::whole() const { return all(first, 0) && all(last, 0xff); }

std::vector<Range> ranges_of(std::span<const IpPrefix> prefixes, bool v6) {
    std::vector<Range> found, merged;
    for (const auto& prefix : prefixes)
        if (prefix.v6 == v6) found.push_back({filled(prefix, false), filled(prefix, true)});
    std::ranges::sort(found, {}, [](const Range& r) { return r.first.bytes; });
    for (const auto& range : found) {
        if (merged.empty() || !reaches(merged.back().last, range.first))
            merged.push_back(range);
        else if (merged.back().last.bytes < range.last.bytes)
            merged.back().last = range.last;
    }
    return merged;
}

}  // namespace pmos::network
