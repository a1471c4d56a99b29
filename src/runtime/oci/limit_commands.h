// oci: the commands that are about a container's cgroup.
#pragma once

#include "base/result.h"
#include "runtime/oci/options.h"

namespace pmos::oci {

Result<> pause_container(const Options& options, bool frozen);
// By a file as linux/resources has it, and by options of its own.
Result<> update_container(const Options& options);
// Statistics, and each time that the kernel has killed for memory, one in a line, until it ends.
Result<> print_events(const Options& options);

}  // namespace pmos::oci
