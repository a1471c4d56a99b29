// network: the sets of nftables in which stands where the names of a mode are: one for each service
// that lines about names have, filled by the answers of its resolver. Pure.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "policy/connection.h"
#include "runtime/network/service.h"

namespace pmos::network {

// Addresses of a set. pmos-net opens far fewer; more are refused, and so is the name.
inline constexpr unsigned kMostNamed = 65536;

class NameSets {
  public:
    explicit NameSets(const policy::NetworkPlan& plan);
    // Of a table, empty.
    std::string sets() const;
    // Of the chain that lets through what they match, by that verdict.
    std::string rules(std::string_view verdict) const;

    struct Place {
        policy::IpPrefix address;
        // By which it is reached, and for how long, in seconds; nullptr: by none.
        std::map<const policy::FlowRule*, std::uint32_t> lines;
    };
    // Commands that open the places; what was to end before is put off.
    std::string additions(std::string_view family, std::string_view table,
                          std::span<const Place> places) const;

  private:
    std::map<Service, unsigned> numbers_;
};

}  // namespace pmos::network
