// daemon: answers what a mode's filter asks, by the plan the mode was started with. Decides
// nothing.
#pragma once

#include <string>

#include "base/fd.h"
#include "policy/syscall_filter.h"
#include "runtime/daemon/fd_store.h"
#include "runtime/daemon/loop.h"

namespace pmos::daemon {

struct Context;
struct Mode;

// The listener of one filter: of the mode's first process, or of one that was entered.
struct Listener {
    UniqueFd fd;
    policy::BpfProgram answer;  // empty: the plan is gone, and all is refused
    bool lets_through = false;  // only a recording does
    std::string kept_as;        // in the service manager's store; "" is not
    EventSource asked;          // or the end of a wait
};

// Answers until the last process of that filter has ended, in no more than the mode's share of
// pmosd's time: whoever asks faster waits. The mode runs.
Result<> listen(const Context& ctx, Mode& mode, UniqueFd listener, Whose whose);
// One that an earlier pmosd has had kept.
Result<> listen_again(const Context& ctx, Mode& mode, KeptDescriptor kept);

// After a restart. The pmosd before may have taken a question and died before it answered: nobody
// can answer that one any more. Frozen, the call leaves off; thawed, it is made again and asks us.
void have_asked_again(Mode& mode);

}  // namespace pmos::daemon
