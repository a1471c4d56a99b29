// policy: an OCI configuration as the Profile that the checker of modes knows, so that what an
// owner demands of every profile holds for every container as well. It can only be refused by it.
#pragma once

#include <vector>

#include "policy/oci_config.h"
#include "policy/profile.h"

namespace pmos::policy::oci {

// Of demands that name modes a container answers to those of this one.
inline constexpr std::string_view kModeAnnotation = "org.pmos.mode";
inline constexpr std::string_view kNoMode = "container";

// What it says, and where it says nothing what that grants: without a filter every system call,
// without a network namespace of its own the machine's network. Locations are the configuration's.
Profile as_profile(const Config& config);
// Each demand of the site policy that it breaks, at its line.
void check_site(const Node& site, const Config& config, std::vector<Diagnostic>& diagnostics);

}  // namespace pmos::policy::oci
