// daemon: reads the profiles directory. Hands bytes to policy, judges nothing.
#pragma once

#include <string>
#include <vector>

#include "policy/policy_set.h"
#include "runtime/daemon/context.h"

namespace pmos::daemon {

// As it was when it was read: what a policy is made of, whatever the file holds by now.
struct PolicyFile {
    std::string path;  // from the profiles directory
    std::string bytes;
    std::string error = {};  // why it could not be read, "" else
};

// DIR/*.json are profiles, but for site.json; blocks are below DIR. A file that cannot be read
// appears as a broken profile, not as a missing one. Each file is read once, into `read`.
policy::PolicySet load_policy(const Paths& paths, std::vector<PolicyFile>& read);

}  // namespace pmos::daemon
