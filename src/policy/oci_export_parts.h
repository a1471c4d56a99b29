// policy: parts of oci_export.
#pragma once

#include <string>
#include <vector>

#include "policy/json_writer.h"
#include "policy/profile.h"

namespace pmos::policy::oci {

// Member `seccomp` of `linux`.
void write_filter(JsonWriter& w, const Profile& profile, std::vector<std::string>& unsaid);

}  // namespace pmos::policy::oci
