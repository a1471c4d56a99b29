// daemon: the key of a mode's tunnel, on its way from a worker to the network's broker. Holds the
// pipe that it is in, and never reads it.
#pragma once

#include "runtime/daemon/context.h"
#include "runtime/daemon/mode.h"

namespace pmos::daemon {

// Whose private part has it: of what a secret opens the first, else the first. Code::usage: the
// mode has no volume.
Result<policy::Volume> key_volume(const std::string& mode, const policy::LaunchPlan& plan);

// Answers the end of a pipe with the 32 bytes in it. Code::not_found: none was made.
void read_tunnel_key(const Context& ctx, Mode& mode, const policy::LaunchPlan& plan,
                     Answer<UniqueFd> answer);

}  // namespace pmos::daemon
