// daemon: the key of a mode's tunnel, on its way from a worker to the network's broker, and when it
// goes. Holds the pipe that it is in, and never reads it.
#pragma once

#include "runtime/daemon/context.h"
#include "runtime/daemon/mode.h"

namespace pmos::daemon {

// Whose private part has it: of what a secret opens the first, else the first. Code::usage: the
// mode has no volume.
Result<policy::Volume> key_volume(const std::string& mode, const policy::LaunchPlan& plan);

// Answers the end of a pipe with it and the preshared ones of its peers, as
// volume::Verb::tunnel_key_read says. Code::not_found: one was not made.
void read_tunnel_key(const Context& ctx, Mode& mode, const policy::LaunchPlan& plan,
                     Answer<UniqueFd> answer);

// What the broker is to know of a mode that runs: its namespace and its plan, sealed.
struct RunningNetwork {
    UniqueFd net_ns, plan;
};
Result<RunningNetwork> network_of(const Mode& mode);

// It runs, by a plan with one.
bool has_tunnel(const Mode& mode);
// A mode that is locked and stands still has no tunnel: its key leaves the kernel with it. Does
// nothing where the mode has none.
void shut_tunnel(const Context& ctx, Mode& mode, Done done);
// With the key that there is now, of a mode that runs.
void reopen_tunnel(const Context& ctx, Mode& mode, Done done);
// Before a locked mode goes on, which it does whatever becomes of this; without a tunnel it has
// lost its network, and that is told.
void give_tunnel_back(const Context& ctx, Mode& mode, Done done);

}  // namespace pmos::daemon
