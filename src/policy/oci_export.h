// policy: a mode's plan as the config.json of an OCI bundle, for other runtimes to launch the same
// and be compared. Reads no file.
#pragma once

#include <string>
#include <vector>

#include "policy/launch_plan.h"
#include "policy/profile.h"

namespace pmos::policy::oci {

struct Exported {
    std::string config;               // of a bundle whose root is its directory "rootfs"
    std::vector<std::string> unsaid;  // what the plan has and no config.json can say, a line each
};
// plan: compiled of that profile, with volumes as directories "volumes/NAME" of the bundle.
Exported export_config(const LaunchPlan& plan, const Profile& profile);

}  // namespace pmos::policy::oci
