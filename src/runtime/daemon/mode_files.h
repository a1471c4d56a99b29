// daemon: the files of a mode under /run/pmos: exit record, state, plan. Holds nothing in memory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/fd.h"
#include "runtime/daemon/context.h"
#include "runtime/daemon/mode.h"

namespace pmos::daemon {

struct ModeFiles {
    UniqueFd log, status;
};

// Makes RUN/modes/NAME (0700) with the log kept and the exit record empty.
Result<ModeFiles> open_mode_files(const Paths& paths, const std::string& mode);
// Forgets the state and the exit record of a run; the log stays until it is locked.
Result<> remove_run_files(const Paths& paths, const std::string& mode);
// Whatever is left of a mode that is no more.
Result<> remove_mode_dir(const Paths& paths, const std::string& mode);

// wait status that pmos-init recorded; empty where it could not (killed).
std::optional<int> read_exit_record(const Paths& paths, const std::string& mode);

// What a restarted pmosd needs to recognise a running mode.
struct SavedState {
    int pid = 0;
    std::uint64_t start_time = 0, started_at = 0;
    std::string digest, policy;
};
Result<> write_state(const Paths& paths, const Mode& mode);
std::optional<SavedState> read_state(const Paths& paths, const std::string& mode);

// The plan of the next run and then of the run, so that a restarted pmosd has it also when the
// profile has changed since.
Result<> write_plan(const Paths& paths, const std::string& mode, std::span<const std::byte> image);
// In the place of a run's plan, once its state names it by digest: at no moment is there none.
Result<> write_next_plan(const Paths& paths, const std::string& mode,
                         std::span<const std::byte> image);
Result<> take_next_plan(const Paths& paths, const std::string& mode);
Result<> remove_plan(const Paths& paths, const std::string& mode);
// Null: it is not the plan of that digest, or not one that this build would have written.
std::shared_ptr<const policy::LaunchPlan> read_plan(const Paths& paths, const std::string& mode,
                                                    const std::string& digest);

// What is open of a mode: name, mapping and source of each volume, enough to close it.
Result<> write_opened(const Paths& paths, const Mode& mode);
std::vector<policy::Volume> read_opened(const Paths& paths, const std::string& mode);

// Of which plan the first image did not become ready; kept across boots.
Result<> write_fallen(const Paths& paths, const std::string& mode, const std::string& digest);
std::string read_fallen(const Paths& paths, const std::string& mode);

// That the mode runs behind another for a call alone.
Result<> write_for_call(const Paths& paths, const std::string& mode, bool for_call);
bool read_for_call(const Paths& paths, const std::string& mode);

// Who is in front, and who was before, oldest first; by name. "": nobody.
struct Foreground {
    std::string mode;
    std::vector<std::string> before;
};
Result<> write_foreground(const Paths& paths, const Foreground& foreground);
void remove_foreground(const Paths& paths);
Foreground read_foreground(const Paths& paths);

}  // namespace pmos::daemon
