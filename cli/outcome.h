// cli: how a verb that acted says so, in words or in JSON.
#pragma once

#include <string>

#include "cli/verbs.h"

namespace pmos::cli {

// "secure: started", or {"mode": "secure", "result": "started"}; mode "" leaves it out.
void print_outcome(const Globals& globals, const std::string& mode, const std::string& result);

}  // namespace pmos::cli
