// cli: from an argument list to a verb, its options and an exit status.
#pragma once

#include <string>
#include <vector>

namespace pmos::cli {

inline constexpr int kExecFailed = 125;   // pmos itself failed, of exec and shell
inline constexpr int kExecDenied = 126;   // the command is there and cannot be executed
inline constexpr int kExecMissing = 127;  // no such command

// Everything after argv[0]; the value is the process's exit status.
int run(std::vector<std::string> args);

}  // namespace pmos::cli
