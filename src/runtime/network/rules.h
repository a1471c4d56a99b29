// network: nftables' text of what a mode may reach and who may reach it. Pure: loads nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "policy/network_plan.h"
#include "runtime/network/nft.h"
#include "runtime/network/part.h"
#include "runtime/network/volume.h"

namespace pmos::network {

// In a mode's namespace, of a wire or a tunnel. resolver_user: whose packets the resolver's are,
// where the plan has one.
inline constexpr std::string_view kModeFamily = "inet", kModeTable = "pmos";
// logs: what is refused is told to the group kLogGroup of the namespace, a part of it where it is
// much, with so many bytes of each packet: a head of IPv6 and some more, and of TCP the ports.
inline constexpr std::uint16_t kLogGroup = 1;
inline constexpr std::uint32_t kLogBytes = 128;
// spent: of the plan's volume, where it has one.
Table mode_rules(const policy::NetworkPlan& plan, bool logs = true, std::uint32_t resolver_user = 0,
                 const Spent& spent = {});

// On the phone, for a wire. They enforce once more what the mode's own do.
inline constexpr std::string_view kWireFamily = "inet", kWireTablePrefix = "pmos-";
std::string wire_table(std::string_view mode);
// So many connections of a mode the phone remembers at a time (its own table, in which they are,
// has room for some ten thousands), where it can count them.
inline constexpr unsigned kMostConnections = 4096;
Table wire_rules(std::string_view mode, const Part& part, const policy::NetworkPlan& plan,
                 bool counted = true);

// On a phone that forwarded nothing before, or between these links alone: it does so for modes, and
// for what comes by them.
inline constexpr std::string_view kGuardTable = "pmos";
constexpr std::string_view guard_family(bool v6) { return v6 ? "ip6" : "ip"; }
Table guard_rules(bool v6, const std::vector<std::string>& links = {});

}  // namespace pmos::network
