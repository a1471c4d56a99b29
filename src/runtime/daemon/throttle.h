// daemon: what a mode gets of the phone that runs on behind another one. Decides nothing: the plan
// has.
#pragma once

#include <vector>

#include "policy/launch_plan.h"
#include "runtime/daemon/context.h"
#include "runtime/daemon/mode.h"

namespace pmos::daemon {

// Its plan has other limits for the background.
bool is_throttled_behind(const Mode& mode);

// All limits of a mode that starts there.
std::vector<policy::CgroupLimit> limits_of(const policy::LaunchPlan& plan, bool in_front);

// From now on the mode has the limits of the background, or those of the foreground again. Neither
// waits: the kernel takes back what is above memory.high by and by, in a process of its own, for it
// does so in the write(2) that says it.
Result<> throttle_mode(const Context& ctx, Mode& mode);
Result<> unthrottle_mode(const Context& ctx, Mode& mode);

}  // namespace pmos::daemon
