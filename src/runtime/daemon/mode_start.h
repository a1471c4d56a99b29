// daemon: brings a mode up and prepares it ahead. Decides nothing: the plan has.
#pragma once

#include "runtime/daemon/context.h"
#include "runtime/daemon/mode.h"

namespace pmos::daemon {

// Called when PID 1 of a mode has ended.
using OnExit = std::function<void(Mode&)>;

// The launch as one array of steps, each with its undo. The mode is stopped before, running after.
// Errors: disabled, not_provisioned, locked, and whatever a step says.
void start_mode(const Context& ctx, Mode& mode, OnExit on_exit, Done done);

// Watches PID 1 of a mode that was just started or adopted.
Result<> watch_exit(const Context& ctx, Mode& mode, OnExit on_exit);

// Makes what the next launch needs (sealed plan, namespaces, root tree) while a mode is unlocked,
// and lets go of it while it is locked. Cheap when there is nothing to do.
Result<> settle_prepared(const Paths& paths, Mode& mode);

}  // namespace pmos::daemon
