// daemon: the helper processes, by their short names.
#pragma once

#include "runtime/daemon/loop.h"
#include "runtime/event/process.h"

namespace pmos::daemon {

using event::exit_code;
using event::has_ended;
using event::HelperHandle;
using event::is_readable;
using event::reap;
using event::run_helper;
using event::run_helper_now;
using event::RunRequest;
using event::RunResult;
using event::send_signal;
using event::spawn;
using event::Spawned;
using event::SpawnRequest;

}  // namespace pmos::daemon
