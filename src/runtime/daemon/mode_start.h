// daemon: brings a mode up and prepares it ahead. Decides nothing: the plan has.
#pragma once

#include "runtime/daemon/context.h"
#include "runtime/daemon/mode.h"

namespace pmos::daemon {

// By what is known of the mode now. Errors: disabled, not_provisioned, locked.
Result<> may_start(const Mode& mode);

// Called when PID 1 of a mode has ended.
using OnExit = std::function<void(Mode&)>;
using MayStart = std::function<Result<>()>;

// The launch as one array of steps, each with its undo. The mode is stopped before, running after.
// With the plan of a recording the run is recorded, and a new pmosd ends it instead of adopting it.
// Errors: disabled, not_provisioned, locked, and whatever a step says.
// Where another policy comes while it starts, it is undone and starts under that one; `may` says
// before each try whether it may. A recording was asked for of one plan, and ends with an error.
void start_mode(const Context& ctx, Mode& mode, std::shared_ptr<const policy::LaunchPlan> recording,
                MayStart may, OnExit on_exit, Done done);

// Watches PID 1 of a mode that was just started or adopted.
Result<> watch_exit(const Context& ctx, Mode& mode, OnExit on_exit);

}  // namespace pmos::daemon
