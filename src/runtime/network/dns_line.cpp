// network: what a mode's resolver and pmos-net say to each other. See dns_line.h.
#include "runtime/network/dns_line.h"

#include <algorithm>

namespace pmos::network {
namespace {

using Bytes = std::vector<std::uint8_t>;
constexpr std::size_t kAddress = 17;  // 4 or 6, and sixteen bytes

void put(Bytes& out, std::uint32_t value) {
    for (const unsigned shift : {24U, 16U, 8U, 0U})
        out.push_back(static_cast<std::uint8_t>(value >> shift));
}

std::uint32_t take(std::span<const std::uint8_t>& bytes) {
    std::uint32_t value = 0;
    for (const auto byte : bytes.first(4)) value = value << 8U | byte;
    bytes = bytes.subspan(4);
    return value;
}

}  // namespace

Bytes report_bytes(const DnsReport& report) {
    Bytes out;
    put(out, report.number);
    put(out, report.lifetime);
    const auto size = std::min<std::size_t>(report.name.size(), 255);
    out.push_back(static_cast<std::uint8_t>(size));
    out.insert(out.end(), report.name.begin(),
               report.name.begin() + static_cast<std::ptrdiff_t>(size));
    for (std::size_t i = 0; i < std::min(report.addresses.size(), kMostFound); ++i) {
        out.push_back(report.addresses[i].v6 ? 6 : 4);
        out.insert(out.end(), report.addresses[i].bytes.begin(), report.addresses[i].bytes.end());
    }
    return out;
}

std::optional<DnsReport> read_report(std::span<const std::uint8_t> bytes) {
    if (bytes.size() < 9 || bytes.size() > kMostReport) return std::nullopt;
    DnsReport report;
    report.number = take(bytes);
    report.lifetime = take(bytes);
    const std::size_t size = bytes[0];
    bytes = bytes.subspan(1);
    if (bytes.size() < size || (bytes.size() - size) % kAddress != 0) return std::nullopt;
    report.name.assign(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    if (!std::ranges::all_of(report.name, [](char c) { return c > ' ' && c <= '~'; }))
        return std::nullopt;
    for (bytes = bytes.subspan(size); !bytes.empty(); bytes = bytes.subspan(kAddress)) {
        if (bytes[0] != 4 && bytes[0] != 6) return std::nullopt;
        policy::IpPrefix address;
        address.v6 = bytes[0] == 6;
        address.length = address.v6 ? 128 : 32;
        std::ranges::copy(bytes.subspan(1, address.v6 ? 16 : 4), address.bytes.begin());
        report.addresses.push_back(address);
    }
    return report;
}

Bytes settled_bytes(const DnsSettled& settled) {
    Bytes out;
    put(out, settled.number);
    out.push_back(settled.reached ? 1 : 0);
    return out;
}

std::optional<DnsSettled> read_settled(std::span<const std::uint8_t> bytes) {
    if (bytes.size() != 5) return std::nullopt;
    DnsSettled settled;
    settled.number = take(bytes);
    settled.reached = bytes[0] == 1;
    return settled;
}

}  // namespace pmos::network
