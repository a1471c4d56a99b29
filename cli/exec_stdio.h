// cli: which descriptors a command inside a mode gets. Pipes go in as they are; all else stays
// outside and is carried: a terminal inside would take keystrokes for the host's shell (TIOCSTI),
// and a directory would be a way out (CVE-2024-21626).
#pragma once

#include <array>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "cli/pump.h"

namespace pmos::cli {

struct ExecStdio {
    std::array<UniqueFd, 3> remote;  // for the mode; ours are closed once they are sent
    std::vector<Channel> channels;
};

// local: the descriptors to stand in for, those of this process apart from tests.
Result<ExecStdio> make_exec_stdio(std::array<BorrowedFd, 3> local);

}  // namespace pmos::cli
