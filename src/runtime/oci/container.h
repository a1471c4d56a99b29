// oci: a container's launch, by pmos-launch's own steps in this process. Decides nothing that its
// configuration has not.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "runtime/oci/bundle.h"
#include "runtime/oci/options.h"
#include "runtime/oci/state.h"

namespace pmos::oci {

// What went wrong beside what was asked for: to be told, and no failure.
using Warnings = std::vector<Error>;

// What was launched: its process, and its terminal where it has one.
struct Launched {
    int pid = 0;
    UniqueFd pidfd, tty;
    Warnings warnings;
    std::vector<std::string> statements;  // of its cgroup: what does not hold here
};

// `create`, and with `waits` false `run`: to where its program waits for `start`, or runs. After an
// error nothing is left.
Result<Launched> launch_container(const Options& options, bool waits);
// `start`. After an error the container has ended.
Result<Warnings> start_container(const Options& options);
// `exec`.
Result<Launched> launch_exec(const Options& options);
// `delete`: its processes are gone, or are killed with `force`.
Result<Warnings> delete_container(const Options& options);

// From here on signals wait for stay_with: before anything is launched, so that none ends us and
// leaves that behind. What is launched begins with none blocked.
void hold_signals();
// Until it ends: signals go to it, its terminal is ours. The exit status as a shell has it.
Result<int> stay_with(Launched launched);

}  // namespace pmos::oci
