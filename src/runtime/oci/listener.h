// oci: gives the descriptor of a filter that asks to who answers (linux/seccomp/listenerPath).
// Answers nothing itself.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::oci {

// The Container Process State of the runtime specification.
struct ProcessState {
    pid_t pid = 0;  // as the runtime sees it
    std::string_view metadata;
    std::string_view state;  // the container's, a JSON object
};
std::string to_json(const ProcessState& state);

// A stream to `path`, for one state. Ahead of the launch: an agent that is not there is to be known
// before anything is made. Neither connecting nor sending waits longer than a limit of seconds.
Result<UniqueFd> connect_listener(const std::string& path);
Result<> send_process_state(BorrowedFd listener, BorrowedFd filter, const ProcessState& state);

}  // namespace pmos::oci
