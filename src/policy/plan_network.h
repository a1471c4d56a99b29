// policy: the network in the readable form of a plan, and back; by itself for who needs no more.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "policy/json_writer.h"
#include "policy/network_plan.h"

namespace pmos::policy {

void write_network(JsonWriter& w, const NetworkPlan& network);
// Throws what nlohmann throws; what it does not understand it leaves out, which decode() sees.
NetworkPlan read_network(const nlohmann::json& j);

// Of the network alone, for another process of this build.
std::string network_text(const NetworkPlan& network);
Result<NetworkPlan> parse_network(const std::string& text);

}  // namespace pmos::policy
