// network: a wire from a mode's namespace to the phone, with all that belongs to it. Keeps nothing
// in mind: what stands is what the kernel has.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "policy/network_plan.h"
#include "runtime/network/place.h"

namespace pmos::network {

// A wire that stands, and is as it should be, stays; its rules are loaded anew. After an error
// nothing is left.
Result<> connect_wire(const Phone& phone, const std::string& mode, BorrowedFd netns,
                      const policy::NetworkPlan& plan, const Spent& spent = {});
// The link first, so that nothing goes without rules. No error where there is nothing.
Result<> disconnect_wire(const Phone& phone, const std::string& mode);
// All wires and tables that are none of these modes'.
Result<> keep_wires(const Phone& phone, std::span<const std::string> modes);
// Both ends are up and each other's.
Result<bool> wire_stands(const Phone& phone, const Links& inner, const std::string& mode);
// On the phone; nullopt: the mode has none.
Result<std::optional<Link>> wire_of(const Phone& phone, const std::string& mode);

}  // namespace pmos::network
