// daemon: reads the profiles directory. Hands bytes to policy, judges nothing.
#pragma once

#include "policy/policy_set.h"
#include "runtime/daemon/context.h"

namespace pmos::daemon {

// DIR/*.json are profiles, but for site.json; blocks are below DIR. A file that cannot be read
// appears as a broken profile, not as a missing one.
policy::PolicySet load_policy(const Paths& paths);

}  // namespace pmos::daemon
