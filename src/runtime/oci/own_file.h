// oci: our own program's file, out of reach of what is launched.
#pragma once

#include <string_view>

#include "base/result.h"
#include "policy/oci_config.h"

namespace pmos::oci {

// Before a process is put into a container this program goes on from a read-only mount of its file
// that is attached nowhere: whoever gets hold of /proc/PID/exe, or executes it by
// "#!/proc/self/exe", cannot write to it (CVE-2019-5736). Returns when it is so, or was so, or
// needs not be: where the container's ids, in a user namespace of its own, have no right to the
// file, and where they are an ordinary user's.
Result<> leave_own_file(char** argv, const policy::oci::Config& config);
// The same of a configuration of which that can be told before it is read.
Result<> leave_own_file_early(char** argv, std::string_view config);

}  // namespace pmos::oci
