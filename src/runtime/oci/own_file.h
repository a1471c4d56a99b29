// oci: our own program's file, out of reach of what is launched.
#pragma once

#include "base/result.h"
#include "runtime/oci/options.h"

namespace pmos::oci {

// Where the command puts a process into a container this program goes on from a read-only mount of
// its file that is attached nowhere: whoever gets hold of /proc/PID/exe, or executes it by
// "#!/proc/self/exe", cannot write to it (CVE-2019-5736). Returns when it is so, or was so.
// Of an ordinary user the file is not a container's root's to write to.
Result<> leave_own_file(char** argv, Command command);

}  // namespace pmos::oci
