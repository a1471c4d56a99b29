// daemon: answers what a mode's filter asks, by the plan the mode was started with. Decides
// nothing.
#pragma once

#include <memory>

#include "base/fd.h"
#include "policy/syscall_filter.h"
#include "runtime/daemon/loop.h"

namespace pmos::daemon {

struct Context;
struct Mode;

// The listener of one filter: of the mode's first process, or of one that was entered.
struct Listener {
    UniqueFd fd;
    policy::BpfProgram answer;
    EventSource asked;
};

// Answers until the last process of that filter has ended. The mode runs.
Result<> listen(const Context& ctx, Mode& mode, UniqueFd listener);

}  // namespace pmos::daemon
