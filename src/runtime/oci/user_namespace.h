// oci: a user namespace that is there already, which the containers of a pod share.
#pragma once

#include <linux/sched.h>

#include <optional>

#include "base/fd.h"
#include "base/result.h"
#include "policy/oci_config.h"
#include "runtime/launch/container.h"

namespace pmos::oci {

struct JoinedUser {
    UniqueFd ns;
    bool denies_groups = false;  // setgroups(2), as whoever made it has it
};

// That which the configuration names, and never ours; its mappings are put where the configuration
// says none, and have to be those that it says.
Result<std::optional<JoinedUser>> join_user_namespace(policy::oci::Config& config);

// Of a container that runs: the mappings that its configuration leaves to a namespace of others.
Result<> take_maps_of(int pid, policy::oci::Config& config);

// As ContainerParts::clone: born in the namespace, and a child of this process.
int clone_in_user_namespace(launch::Launch& launch, const clone_args& args);

}  // namespace pmos::oci
