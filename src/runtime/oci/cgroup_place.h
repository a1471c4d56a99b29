// oci: where on this host a container's cgroup is to be. Makes none.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pmos::oci {

struct CgroupTree {
    std::string mount;    // of cgroup v2
    std::string own;      // the cgroup of this process below it, "" where it lies outside
    bool hybrid = false;  // beside cgroup v1, which has most controllers then
};

// Empty where cgroup v2 is not mounted: not an error, where nothing asks for a cgroup.
std::optional<CgroupTree> find_cgroup_tree(const std::string& at = "/sys/fs/cgroup",
                                           const std::string& own_file = "/proc/self/cgroup");

// linux.cgroupsPath of the cgroupfs manager as a path below the mount. As runc has it: an absolute
// one begins at the mount, a relative one beside our own cgroup (we are in that one, so that it can
// give its children no controller). Empty: /pmos/ID.
Result<std::string> cgroup_place(const CgroupTree& tree, std::string_view cgroups_path,
                                 std::string_view id);

// The cgroup below which one without privileges makes its own: our own where it is delegated to us
// and no controller is wanted of it, else its parent. "": neither may be written to.
std::string delegated_place(const CgroupTree& tree, bool controllers);

}  // namespace pmos::oci
