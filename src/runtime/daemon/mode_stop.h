// daemon: takes a mode down, or finds that it went down by itself.
#pragma once

#include "runtime/daemon/context.h"
#include "runtime/daemon/mode.h"

namespace pmos::daemon {

// SIGTERM to PID 1 (thawed first, so that it can act on it), kill after the timeout, then
// everything a run leaves is removed. A mode that is stopped already is no error.
// timeout_ms 0: as its plan says.
void stop_mode(const Context& ctx, Mode& mode, std::uint32_t timeout_ms, Done done);

// PID 1 has ended by itself: removes what is left, keeps the exit status and why.
void collect_mode(const Context& ctx, Mode& mode, Done done);

// At once, without SIGTERM; the undo of a launch.
void kill_mode(const Context& ctx, Mode& mode, Done done);

// Kills what is left in the mode's cgroup, waits until it is empty and removes it.
void remove_cgroup(const Context& ctx, Mode& mode, Done done);

}  // namespace pmos::daemon
