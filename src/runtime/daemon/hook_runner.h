// daemon: runs the hooks of a plan (hooks/README.md is the contract). Never runs a mode's code.
#pragma once

#include "runtime/daemon/context.h"
#include "runtime/daemon/mode.h"

namespace pmos::daemon {

// Runs the plan's hooks for this point one after the other; the first that fails or takes too
// long ends it with an error that names the hook and quotes its last line.
void run_hooks(const Context& ctx, const Mode& mode, const policy::LaunchPlan* plan,
               policy::HookPoint point, Done done);
// Those of the plan that runs; where none does, of the one that would.
void run_hooks(const Context& ctx, const Mode& mode, policy::HookPoint point, Done done);

}  // namespace pmos::daemon
