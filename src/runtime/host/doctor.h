// host: says in words what this phone lacks, for which profile key, and what to do. Pure.
#pragma once

#include <string>
#include <vector>

#include "policy/host_facts.h"
#include "policy/policy_set.h"

namespace pmos::host {

struct Finding {
    std::string severity;  // "ok", "note", "warning", "error"
    std::string subject;   // "landlock", "mode secure", ...
    std::string message, hint;
};

// The kernel first, then every mode: what its profile asks for that cannot be had here is found
// by the same compile() that a start uses.
std::vector<Finding> examine(const policy::HostFacts& facts, const policy::PolicySet& policies);

}  // namespace pmos::host
