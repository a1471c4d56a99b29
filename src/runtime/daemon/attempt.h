// daemon: one denial as the details of an event. Judges nothing.
#pragma once

#include <string>

#include "policy/explain.h"
#include "runtime/daemon/context.h"

namespace pmos::daemon {

struct Attempt {
    const char* layer;
    std::string what;  // where no profile is left to explain it
    const char* verdict;
    const std::string& program;  // it and the names of files are the mode's own choice
    int pid;                     // 0: the kernel does not say who
};

Details details_of(const Attempt& attempt, const policy::Explanation& why);

}  // namespace pmos::daemon
