// oci: runs pmos-oci-systemd, which speaks to systemd for a program that links no libsystemd.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/oci/scope.h"

namespace pmos::oci {

struct SystemdHelper {
    std::string path;
    bool of_user = false;  // the user's own manager
};

// Puts the process into a new scope and waits until systemd has done so. The scope's cgroup as a
// path below the mount.
Result<std::string> start_scope(const SystemdHelper& helper, const Scope& scope, int pid,
                                const std::string& description,
                                const std::vector<std::string>& properties);
// None is a success.
Result<void> set_scope(const SystemdHelper& helper, const std::string& scope,
                       const std::vector<std::string>& properties);
// Ends what is in it. One that is gone is a success.
Result<void> stop_scope(const SystemdHelper& helper, const std::string& scope);

}  // namespace pmos::oci
