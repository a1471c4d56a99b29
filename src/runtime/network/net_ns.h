// network: a mode's network namespace, made ahead in the initial user namespace so that the mode's
// root has no power over it. Never configures more than its loopback.
#pragma once

#include "base/fd.h"
#include "base/result.h"

namespace pmos::network {

// No process is in it; it goes with its last descriptor or process. A short-lived child makes it.
Result<UniqueFd> make_net_namespace(bool loopback_up);

}  // namespace pmos::network
