// network: the sets of nftables in which stands where the names of a mode are. Pure.
#include "runtime/network/name_sets.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/destination.h"

namespace pmos::network {
namespace {

std::string set_name(unsigned number, bool v6) {
    return fmt::format("named-{}-{}", number, v6 ? "6" : "4");
}

}  // namespace

NameSets::NameSets(const policy::NetworkPlan& plan) {
    for (const auto& rule : plan.allow)
        if (!rule.name.empty()) numbers_.try_emplace(service_of(rule), numbers_.size());
}

std::string NameSets::sets() const {
    std::string out;
    for (const auto& [service, number] : numbers_)
        for (const bool v6 : {false, true})
            out += fmt::format("  set {} {{\n    type {}; flags timeout; size {};\n  }}\n",
                               set_name(number, v6), v6 ? "ipv6_addr" : "ipv4_addr", kMostNamed);
    return out;
}

std::string NameSets::rules(std::string_view verdict) const {
    std::string out;
    for (const auto& [service, number] : numbers_)
        for (const bool v6 : {false, true})
            out += fmt::format("    {} daddr @{} {}{}\n", v6 ? "ip6" : "ip", set_name(number, v6),
                               service_text(service, v6), verdict);
    return out;
}

// The kernel keeps the time of an element that is there: it is taken out and put in again, in the
// one transaction.
std::string NameSets::additions(std::string_view family, std::string_view table,
                                std::span<const Place> places) const {
    std::string out;
    for (const auto& place : places) {
        std::map<unsigned, std::uint32_t> lifetimes;  // of a set that of its longest line
        for (const auto& [line, lifetime] : place.lines)
            if (const auto at = line == nullptr ? numbers_.end() : numbers_.find(service_of(*line));
                at != numbers_.end())
                lifetimes[at->second] = std::max(lifetimes[at->second], lifetime);
        const auto address = policy::address_text(place.address);
        for (const auto& [number, lifetime] : lifetimes)
            out += fmt::format(
                "add {0} {{ {1} }}\ndelete {0} {{ {1} }}\nadd {0} {{ {1} timeout {2}s }}\n",
                fmt::format("element {} {} {}", family, table, set_name(number, place.address.v6)),
                address, lifetime);
    }
    return out;
}

}  // namespace pmos::network
