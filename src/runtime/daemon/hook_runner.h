// daemon: runs the hooks of a plan (hooks/README.md is the contract). Never runs a mode's code.
#pragma once

#include <chrono>
#include <cstdint>

#include "runtime/daemon/context.h"
#include "runtime/daemon/mode.h"

namespace pmos::daemon {

// How long a hook may take: what its profile says, and where it checks volumes half a minute more
// and a second for every 64 MiB of them.
std::chrono::milliseconds hook_limit(const policy::Hook& hook, std::uint64_t volume_bytes);

// Runs the plan's hooks for this point one after the other; the first that fails or takes too
// long ends it with an error that names the hook and quotes its last line.
void run_hooks(const Context& ctx, const Mode& mode, const policy::LaunchPlan* plan,
               policy::HookPoint point, Done done);
// Those of the plan that runs; where none does, of the one that would.
void run_hooks(const Context& ctx, const Mode& mode, policy::HookPoint point, Done done);

}  // namespace pmos::daemon
