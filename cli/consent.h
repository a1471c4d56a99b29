// cli: asks a person whether to do what cannot be taken back.
#pragma once

#include <string>

#include "base/result.h"

namespace pmos::cli {

// yes: --yes was given. Else the question goes to the terminal, and anything but "yes" is a no;
// without a terminal it is a usage error.
Result<> ask_consent(bool yes, const std::string& question);

}  // namespace pmos::cli
