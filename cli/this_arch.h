// cli: the architecture of the machine that pmosctl runs on. One home; guesses none.
#pragma once

#include "base/result.h"
#include "policy/syscalls.h"

namespace pmos::cli {

// Its table of system calls; an error where this build has none for it. Never null.
Result<const policy::Arch*> this_arch();

}  // namespace pmos::cli
