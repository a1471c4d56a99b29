// daemon: a running mode's processes stand still, and go on. Waits for the kernel, never blocks.
#pragma once

#include "runtime/daemon/context.h"
#include "runtime/daemon/mode.h"

namespace pmos::daemon {

// Answers once all of it stands still; on an error it runs as before. For jobs of the mode's queue.
// leave: what does not stand still in time is inside the kernel, and gets no further than to its
// edge: it is told, and counts as frozen. Of a mode whose keys are about to go that is not enough.
enum class Late : std::uint8_t { fails, leave };
void freeze_mode(const Context& ctx, Mode& mode, Late late, Done done);
Result<> thaw_mode(const Context& ctx, Mode& mode);

}  // namespace pmos::daemon
