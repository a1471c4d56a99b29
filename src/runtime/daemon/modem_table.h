// daemon: what the modem's broker has to know of the policy and of the modes. Pure.
#pragma once

#include <string>
#include <vector>

#include "policy/policy_set.h"
#include "runtime/daemon/mode.h"
#include "runtime/modem/protocol.h"

namespace pmos::daemon {

// What a mode may do is as its plan says, of one that runs the plan that it runs with; what comes
// in is whose the policy says now. Where a profile of it cannot be read, nobody knows what that one
// claims: then nothing that no other claims is anybody's. Nor is the rest where two claim it.
modem::Table modem_table(const Modes& modes, const policy::PolicySet& policy,
                         std::vector<std::string> emergency_numbers);

}  // namespace pmos::daemon
