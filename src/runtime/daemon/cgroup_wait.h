// daemon: waits for a cgroup to reach a state, by cgroup.events. Never blocks.
#pragma once

#include <functional>

#include "runtime/daemon/loop.h"
#include "runtime/host/cgroup.h"

namespace pmos::daemon {

// Answers when reached(cgroup) holds; timed_out when it does not in time. The cgroup must stay.
void wait_cgroup(EventLoop& loop, const host::Cgroup& cgroup,
                 std::function<bool(const host::Cgroup&)> reached,
                 std::chrono::milliseconds timeout, Done done);

}  // namespace pmos::daemon
