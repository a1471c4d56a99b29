// cli: what is shown anew whenever something about the modes changes. Changes nothing itself.
#pragma once

#include <functional>

#include "cli/verbs.h"

namespace pmos::cli {

// Draws now, after each change, and once a second for what no signal tells; until who asked ends
// it. On a terminal each picture takes the place of the one before; elsewhere they follow one
// another.
Result<int> live_view(const Globals& globals, const std::function<Result<void>(BusClient&)>& draw);

// The same of a connection that is there, to whatever it leads: once a second.
Result<int> live_view_of(const Globals& globals, BusClient& bus,
                         const std::function<Result<void>(BusClient&)>& draw);

// The option that asks for it.
std::shared_ptr<bool> add_watch_option(CommandLine& line);

}  // namespace pmos::cli
