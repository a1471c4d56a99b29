// daemon: what pmosd says of the bundle that it uses. Words only: asks nobody, changes nothing.
#pragma once

#include <string>
#include <vector>

#include "runtime/bundle/protocol.h"
#include "runtime/daemon/context.h"
#include "runtime/host/doctor.h"

namespace pmos::daemon {

std::string label_of(const bundle::Report& report);  // "acme@7"
// By the names that docs/bus.md has.
Details policy_details(const bundle::Report& report);
std::vector<host::Finding> policy_findings(const bundle::Report& report);

}  // namespace pmos::daemon
