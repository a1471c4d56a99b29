// daemon: a running mode's processes stand still, and go on. Waits for the kernel, never blocks.
#pragma once

#include "runtime/daemon/context.h"
#include "runtime/daemon/mode.h"

namespace pmos::daemon {

// Answers once all of it stands still; on an error it runs as before. For jobs of the mode's queue.
void freeze_mode(const Context& ctx, Mode& mode, Done done);
Result<> thaw_mode(const Context& ctx, Mode& mode);

}  // namespace pmos::daemon
