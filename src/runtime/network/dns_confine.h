// network: what a mode's resolver gives up before it reads a byte from anybody.
#pragma once

#include <sys/types.h>

#include "base/result.h"

namespace pmos::network {

// For good: becomes the id, ends with its parent, keeps no capability, and may from now on only
// compute, read files and use the sockets of the internet.
Result<> confine_resolver(pid_t parent, uid_t user, gid_t group);

}  // namespace pmos::network
