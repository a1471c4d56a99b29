// daemon: its event loop. Holds no state of a mode.
#pragma once

#include "runtime/event/loop.h"

namespace pmos::daemon {

using event::Answer;
using event::Done;
using event::EventLoop;
using event::EventSource;

}  // namespace pmos::daemon
