// oci: hooks that run outside the container. What is given them is in the specification, and
// nothing else.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/oci_config.h"

namespace pmos::oci {

// Those of `point`, in their order, each with `state` on its standard input. The first that fails,
// or takes too long and is killed, ends it.
Result<> run_hooks(const std::vector<policy::oci::Hook>& hooks, policy::oci::HookPoint point,
                   std::string_view state);
// The same of points whose failures are told and change nothing (poststart, poststop): all of them.
std::vector<Error> run_all_hooks(const std::vector<policy::oci::Hook>& hooks,
                                 policy::oci::HookPoint point, std::string_view state);

}  // namespace pmos::oci
