// daemon: what the panel has to know of the modes. Pure.
#pragma once

#include <functional>

#include "runtime/daemon/mode.h"
#include "runtime/panel/protocol.h"

namespace pmos::daemon {

// Of all modes, also those that do not run: a person may choose one.
struct PanelFacts {
    const Mode* front;  // who has what is for the foreground; may be null
    // Until when its secret has to wait, asked of modes that need one.
    std::function<std::uint64_t(const Mode&)> wait_until;
    std::function<bool(const Mode&)> has_lost_network;
};
panel::Table panel_table(const Modes& modes, const PanelFacts& facts);

}  // namespace pmos::daemon
