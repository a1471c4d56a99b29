// oci: what a cgroup counts, as the data of runc's "stats" event (its types/events.go). Opens no
// file.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace pmos::oci {

struct CgroupFiles {
    // "" for a file that is not there: what its controller would count is left out, or 0.
    std::function<std::string(const std::string& name)> read;
    std::vector<std::string> huge_pages;  // sizes, as the files' names have them: "2MB"
};

// One line without its end. As runc has it, numbers of cgroup v2 are put where v1 had them: times
// in ns, swap together with memory.
std::string cgroup_stats(const CgroupFiles& files);

}  // namespace pmos::oci
