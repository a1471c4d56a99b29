// daemon: the devices of a mode that runs follow those of the phone. Grants nothing that the mode's
// profile does not; opens no device.
#pragma once

#include "policy/host_facts.h"
#include "runtime/daemon/context.h"

namespace pmos::daemon {

// First who may open what, then the nodes in the mode's /dev: a number that has been given to
// another device is shut before anything else. A node that cannot be made or taken away is told by
// an event; an error is that the mode has the rights of before, and wants another try.
void follow_devices(const Context& ctx, Mode& mode, const policy::HostFacts& facts, Done done);

}  // namespace pmos::daemon
