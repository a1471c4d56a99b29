// daemon: verbs on one volume of a mode, each one worker. Never sees a secret or a header.
#pragma once

#include <string>

#include "runtime/daemon/mode.h"
#include "runtime/volume/protocol.h"

namespace pmos::daemon {

struct VolumeCall {
    volume::Verb verb{};
    std::string volume;
    UniqueFd secret = {};
    UniqueFd other = {};  // a new secret, or a file
};

Result<policy::Volume> find_volume(const Mode& mode, const std::string& name);

// Answers what the worker told.
void call_volume(const Context& ctx, Mode& mode, VolumeCall call, Answer<Details> answer);

}  // namespace pmos::daemon
