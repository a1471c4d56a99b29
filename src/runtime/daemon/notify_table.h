// daemon: what the notifications' broker has to know of the modes. Pure.
#pragma once

#include "runtime/daemon/mode.h"
#include "runtime/notify/protocol.h"

namespace pmos::daemon {

// Of modes that run, by the plan that they run with.
notify::Table notify_table(const Modes& modes);

}  // namespace pmos::daemon
