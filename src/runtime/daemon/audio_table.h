// daemon: what the sound's broker has to know of the modes. Pure.
#pragma once

#include "runtime/audio/protocol.h"
#include "runtime/daemon/mode.h"

namespace pmos::daemon {

// Of modes that run, by the plan that they run with; one that is locked has no sound server, for
// that would keep what it played. front: who has what is for the foreground; may be null.
audio::Table audio_table(const Modes& modes, const Mode* front);

}  // namespace pmos::daemon
