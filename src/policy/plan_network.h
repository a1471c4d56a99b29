// policy: the network in the readable form of a plan, and back. Only the plan's own files include
// it.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "policy/json_writer.h"
#include "policy/network_plan.h"

namespace pmos::policy {

void write_network(JsonWriter& w, const NetworkPlan& network);
// Throws what nlohmann throws; what it does not understand it leaves out, which decode() sees.
NetworkPlan read_network(const nlohmann::json& j);

}  // namespace pmos::policy
