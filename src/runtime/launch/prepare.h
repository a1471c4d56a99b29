// launch: what can be made before a launch and used by many: namespaces and descriptors. For the
// privileged requester; never runs after clone3 of a mode.
#pragma once

#include <span>

#include "base/fd.h"
#include "base/result.h"
#include "policy/launch_plan.h"

namespace pmos::launch {

// A user namespace with these maps and no process in it, to shift mounts by (MOUNT_ATTR_IDMAP).
// A short-lived child makes it.
Result<UniqueFd> make_id_namespace(std::span<const policy::IdMap> uid_map,
                                   std::span<const policy::IdMap> gid_map);

}  // namespace pmos::launch
