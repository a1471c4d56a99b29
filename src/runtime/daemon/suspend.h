// daemon: the lock that keeps a mode's processes: they stand still, their volumes' keys leave the
// kernel. Never sees a key; never thaws what is locked.
#pragma once

#include "runtime/daemon/context.h"
#include "runtime/daemon/mode.h"

namespace pmos::daemon {

// As the kernel has it, whoever did it.
bool is_suspended(const policy::Volume& volume);

// The mode is alive and its profile wants its locks to keep it so. A recording is always ended.
bool locks_by_suspend(const Mode& mode);

// Freezes it, writes its volumes out, takes their keys away. What an error leaves is for the caller
// to evict: a key that was taken cannot be given back without its secret.
void suspend_mode(const Context& ctx, Mode& mode, Done done);

// Gives the keys back and lets it go on if it ran before. On an error it is locked as before.
void resume_mode(const Context& ctx, Mode& mode, UniqueFd secret, Done done);

// Of a suspended mode that is to go: kills it, having let go whoever hangs in its volumes, which
// give nothing but errors from now on. Goes on after an error and answers the first.
void break_off(const Context& ctx, Mode& mode, Done done);

// While a mode is suspended the kernel must not write all file systems out when the phone goes to
// sleep: it would wait for ever. What was set before comes back with the last one.
Result<> keep_sleep(const Paths& paths, bool any_suspended);

}  // namespace pmos::daemon
