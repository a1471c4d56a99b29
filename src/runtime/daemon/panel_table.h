// daemon: what the panel has to know of the modes. Pure.
#pragma once

#include <functional>

#include "runtime/daemon/mode.h"
#include "runtime/panel/protocol.h"

namespace pmos::daemon {

// Of all modes, also those that do not run: a person may choose one. front: who has what is for the
// foreground; may be null. wait_until: of the mode's secret, asked of modes that need one.
panel::Table panel_table(const Modes& modes, const Mode* front,
                         const std::function<std::uint64_t(const Mode&)>& wait_until);

}  // namespace pmos::daemon
