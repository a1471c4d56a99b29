// daemon: verbs on one volume of a mode, each one worker. Never sees a secret or a header.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "policy/x25519.h"
#include "runtime/daemon/mode.h"
#include "runtime/volume/client.h"

namespace pmos::daemon {

struct VolumeCall {
    volume::Verb verb{};
    std::string volume;
    UniqueFd secret = {};
    UniqueFd other = {};                         // a new secret, or a file
    std::uint64_t size = 0;                      // of resize
    volume::Ways ways = {};                      // of auth_*
    bool replaces = false;                       // of a tunnel's key
    std::optional<policy::PublicKey> peer = {};  // whose preshared key it is
    std::string owner = {};  // who asked: if he leaves, it is ended; "": nobody can
};

// Whether it can take long, and is cut short for who needs the volume.
bool takes_long(volume::Verb verb);
// Whether it has the volume mounted meanwhile, so that nobody can check its file system.
bool mounts(volume::Verb verb);

// Changes nothing of the volume.
bool only_looks(volume::Verb verb);

Result<policy::Volume> find_volume(const Mode& mode, const std::string& name);

// Answers what the worker told. What comes back asks it to end early; may be empty.
std::function<void()> call_volume(const Context& ctx, Mode& mode, VolumeCall call,
                                  Answer<Details> answer);

}  // namespace pmos::daemon
