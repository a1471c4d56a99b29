// daemon: children that pmos-launch cloned for us and died before it told of them. Never touches
// a process that somebody knows.
#pragma once

#include <vector>

#include "runtime/daemon/loop.h"

namespace pmos::daemon {

// Every child that is known has a pidfd here from its first moment on; these have none.
std::vector<int> unknown_children();

// SIGKILL to them, and each is reaped as soon as it has ended.
void end_strays(EventLoop& loop);

}  // namespace pmos::daemon
