// daemon: what a mode's lock was about, under /run/pmos, so that a pmosd that is killed half-way
// leaves a lock that the next one finishes. Holds nothing in memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/daemon/context.h"

namespace pmos::daemon {

struct LockRecord {
    std::uint64_t at = 0;  // CLOCK_BOOTTIME, µs: when the mode was locked
    bool thaw = false;     // it ran, and goes on when it is unlocked
    bool evict = false;    // nothing of it is to stay
};

Result<> write_lock_record(const Paths& paths, const std::string& mode, const LockRecord& record);
std::optional<LockRecord> read_lock_record(const Paths& paths, const std::string& mode);
Result<> remove_lock_record(const Paths& paths, const std::string& mode);

}  // namespace pmos::daemon
