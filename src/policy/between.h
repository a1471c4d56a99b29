// policy: faults between two profiles: what one mode would have of another's. Reads no file.
#pragma once

#include <vector>

#include "policy/policy_set.h"

namespace pmos::policy {

// Each fault is a finding of both modes, related to the other's place.
void check_between(std::vector<ModePolicy>& modes);

}  // namespace pmos::policy
