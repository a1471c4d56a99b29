// daemon: the locks that keep a mode's processes: they stand still, and their volumes' keys leave
// the kernel (suspend) or stay there (freeze). Never sees a key; never thaws what is locked.
#pragma once

#include "runtime/daemon/context.h"
#include "runtime/daemon/mode.h"

namespace pmos::daemon {

// As the kernel has it, whoever did it.
bool is_suspended(const policy::Volume& volume);

// How a lock of it is done now: what is not alive has nothing to keep, and a recording is always
// ended.
policy::OnLock lock_strength(const Mode& mode);

// Freezes it, writes its volumes out, takes their keys away. What an error leaves is for the caller
// to evict: a key that was taken cannot be given back without its secret.
void suspend_mode(const Context& ctx, Mode& mode, Done done);

// Freezes it, and from then on it is locked. What an error leaves is for the caller to evict.
void hold_mode(const Context& ctx, Mode& mode, Done done);

// Whatever was to be judged has been: it is locked no more, and runs if it ran before. On an error
// it is locked as before.
Result<> go_on(const Context& ctx, Mode& mode);

// Has the secret of a person judged, where the mode has one, whether a key waits for it or none was
// taken; gives the keys back, and lets the mode go on if it ran before and `may` says so still. On
// an error it is locked as before.
void resume_mode(const Context& ctx, Mode& mode, UniqueFd secret, std::function<Result<>()> may,
                 Done done);

// From here on it is to go: a pmosd that finds it half-way finishes it.
Result<> note_eviction(const Context& ctx, const Mode& mode);

// Of a suspended mode that is to go: kills it, having let go whoever hangs in its volumes, which
// give nothing but errors from now on. Goes on after an error and answers the first.
void break_off(const Context& ctx, Mode& mode, Done done);

// While a mode is suspended the kernel must not write all file systems out when the phone goes to
// sleep: it would wait for ever. What was set before comes back with the last one.
Result<> keep_sleep(const Paths& paths, bool any_suspended);

}  // namespace pmos::daemon
