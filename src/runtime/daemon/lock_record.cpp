// daemon: what a mode's lock was about, under /run/pmos, so that a pmosd that is killed half-way
// leaves a lock that the next one finishes. Holds nothing in memory.
#include "runtime/daemon/lock_record.h"

#include <fmt/format.h>

#include "runtime/daemon/run_file.h"

namespace pmos::daemon {
namespace {

std::string path_of(const Paths& paths, const std::string& mode) {
    return paths.mode_dir(mode) + "/lock";
}

}  // namespace

Result<> write_lock_record(const Paths& paths, const std::string& mode, const LockRecord& record) {
    return replace_file(path_of(paths, mode),
                        fmt::format("at={}\nthaw={}\nevict={}\n", record.at, record.thaw ? 1 : 0,
                                    record.evict ? 1 : 0));
}

std::optional<LockRecord> read_lock_record(const Paths& paths, const std::string& mode) {
    const std::string text = read_run_file(path_of(paths, mode));
    if (text.empty()) return std::nullopt;
    LockRecord record;
    // One that makes no sense is of a lock all the same, and of the stronger one.
    if (!parse_number(value_of(text, "at"), record.at)) record.evict = true;
    record.thaw = value_of(text, "thaw") == "1";
    record.evict = record.evict || value_of(text, "evict") != "0";
    return record;
}

Result<> remove_lock_record(const Paths& paths, const std::string& mode) {
    return remove_file(path_of(paths, mode));
}

}  // namespace pmos::daemon
