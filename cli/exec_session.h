// cli: one command inside a mode, from its Exec call to its exit status: bytes, window size and
// signals are passed on. The terminal is as before on every way out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/bus_client.h"

namespace pmos::cli {

struct ExecRequest {
    std::string mode;
    std::vector<std::string> command;
    std::vector<std::string> env;  // K=V
    std::string cwd;
    std::optional<std::uint32_t> user, group;
    bool tty = false;
};

// The exit code, or 128 + signal. An Error with step "exec": the command itself is to blame.
Result<int> run_in_mode(BusClient& bus, const ExecRequest& request);

}  // namespace pmos::cli
