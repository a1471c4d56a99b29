// native tests: a plan image out of a LaunchPlan.
#pragma once
#include <cstddef>
#include <vector>

#include "policy/launch_plan.h"
namespace pmos::test {
std::vector<std::byte> encode_plan(const policy::LaunchPlan& plan);
}
