// panel: the kernel's own console, which hears every key beside the panel.
#pragma once

#include "base/result.h"

namespace pmos::panel {

// From here on the console hears no key and draws nothing, also when the panel has ended; then all
// capabilities are given up, of which this takes CAP_SYS_TTY_CONFIG. A kernel without virtual
// terminals has no such console.
Result<> silence_console();

}  // namespace pmos::panel
