// policy: faults between two profiles: what one mode would have of another's. Reads no file.
#pragma once

#include <vector>

#include "policy/json_reader.h"
#include "policy/policy_set.h"

namespace pmos::policy {

// Each fault is a finding of both modes, related to the other's place. A mode that clashes with
// many others gets a few findings of each rule: they would say the same.
void check_between(std::vector<ModePolicy>& modes, const Node* site);

}  // namespace pmos::policy
