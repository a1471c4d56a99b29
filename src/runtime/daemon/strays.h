// daemon: children that pmos-launch cloned for us and died before it told of them. Never touches
// a process that somebody knows.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/daemon/loop.h"

namespace pmos::daemon {

struct Child {
    int pid = 0;
    std::uint64_t start_time = 0;  // tells it from a later one of that number
    bool operator==(const Child&) const = default;
};

// Every child of this process. Asked before a launcher was ever started, they are what the program
// before this one left (`exec pmosd 2> >(logger)`).
std::vector<Child> children();

// SIGKILL to the children that nobody knows, and each is reaped as soon as it has ended. Who is
// known has a pidfd here from its first moment on, or is inherited.
void end_strays(EventLoop& loop, const std::vector<Child>& inherited);

}  // namespace pmos::daemon
