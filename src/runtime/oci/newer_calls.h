// oci: the head of a filter, that answers calls newer than its policy. Pure: never loads one.
#pragma once

#include <cstdint>
#include <vector>

#include "policy/oci_config.h"
#include "policy/syscall_filter.h"

namespace pmos::oci {

// ENOSYS above the highest number that a policy names, for each architecture (libseccomp's tokens);
// the rest falls through to what follows. An architecture of which it names no call has none.
policy::BpfProgram newer_calls(const policy::oci::Seccomp& policy,
                               const std::vector<std::uint32_t>& tokens);

}  // namespace pmos::oci
