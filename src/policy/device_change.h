// policy: which device nodes a mode that runs gains or loses when the phone's devices change. Pure.
#pragma once

#include <optional>
#include <vector>

#include "policy/policy_set.h"

namespace pmos::policy {

struct DeviceChange {
    LaunchPlan plan;  // the one that runs, with these nodes and their filter
    std::vector<DeviceNode> come, gone;
};

// By the profile that the mode was started with, whatever it says by now. Null, or one that this
// phone cannot be given any more: nothing comes, and what is not there any more goes. Nothing where
// nothing changes.
std::optional<DeviceChange> device_change(const LaunchPlan& running, const Profile* profile,
                                          const HostFacts& facts);

}  // namespace pmos::policy
