// daemon: where the output of a mode goes: a file system of its own for each, because on one that
// modes share each sees by fstatfs(2) what the others write. Reads nothing of what is in there.
#pragma once

#include <string>

#include "base/fd.h"
#include "runtime/daemon/context.h"

namespace pmos::daemon {

// In the host's mount namespace, before pmosd has its own: the place of all logs. What is mounted
// there later is mounted in both, so that a restarted pmosd finds it. The answer is that place, to
// be put where it was once the namespaces are two.
Result<UniqueFd> open_logs(const Paths& paths);
Result<> attach_logs(const Paths& paths, UniqueFd logs);

// The mode's file system; nothing to do where it has one.
Result<> make_log(const Paths& paths, const std::string& mode);
Result<> remove_log(const Paths& paths, const std::string& mode);

// For the mode: it cannot read what it wrote in an earlier life.
Result<UniqueFd> open_log(const Paths& paths, const std::string& mode);
// The same file for a reader; empty log when the mode has not run.
Result<UniqueFd> open_log_to_read(const Paths& paths, const std::string& mode);

// Keeps the last half of a log that has grown past its bound. A mode writes it with O_APPEND, so
// cutting it in place is safe; its memory is charged to the mode that writes.
void bound_log(const Paths& paths, const std::string& mode);

}  // namespace pmos::daemon
