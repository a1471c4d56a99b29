// cli: the progress that pmosd tells of a mode, shown while a call waits for its answer.
#pragma once

#include <string>

#include "cli/bus_client.h"
#include "cli/progress.h"

namespace pmos::cli {

Result<> show_progress(BusClient& bus, const std::string& mode, ProgressView& view);

}  // namespace pmos::cli
