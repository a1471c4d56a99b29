// daemon: what is made before the moment of launch, and how it is let go of.
#pragma once

#include "runtime/daemon/context.h"
#include "runtime/daemon/mode.h"

namespace pmos::daemon {

// Makes what the next launch needs (sealed plan, namespaces, device filter, root tree) while a
// mode is unlocked, and lets go of it while it is locked. Cheap when there is nothing to do.
Result<> settle_prepared(const Context& ctx, Mode& mode);

// Its files are those that the policy pins, where one does.
Result<> check_pinned(const Context& ctx, const policy::RootImage& root,
                      const launch::ImageFiles& files);

// Answers when it is gone, the loop device with it. The last to let go of a file system clears its
// page cache (seconds, with init_on_free=1 and a slow machine), so that is a process of its own.
void release_prepared(const Context& ctx, Prepared prepared, Done done);

}  // namespace pmos::daemon
