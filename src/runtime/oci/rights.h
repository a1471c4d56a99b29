// oci: what who asks may do on this machine, as far as one look tells.
#pragma once

#include "base/result.h"
#include "policy/launch_plan.h"

namespace pmos::oci {

// Root of the machine, whose ids are all there: others can make no device node, nor mount what a
// file system did not make for them. Rootless engines are root in a user namespace of their own.
bool is_machines_root();
// Whether a process of ours may have other groups than we (user_namespaces(7), setgroups); in the
// user namespace of that one, where one is given.
bool may_set_groups(int pid = 0);
// It has no other groups, or may have them.
Result<> check_groups(const policy::Process& process, bool may);

}  // namespace pmos::oci
