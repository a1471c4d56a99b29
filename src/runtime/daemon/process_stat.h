// daemon: what /proc/PID/stat says of a process (proc(5)). Never signals or opens one.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace pmos::daemon {

struct ProcessStat {
    int parent = 0;                // field 4
    std::uint64_t start_time = 0;  // field 22, clock ticks since boot
    bool operator==(const ProcessStat&) const = default;
};

// not_found when there is no such process.
Result<ProcessStat> process_stat(int pid);

}  // namespace pmos::daemon
