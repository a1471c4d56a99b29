// cli: the progress that pmosd tells of a mode, shown while a call waits for its answer.
#pragma once

#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "cli/bus_client.h"
#include "cli/progress.h"

namespace pmos::cli {

// For as long as the view lives.
Result<> show_progress(BusClient& bus, const std::string& mode,
                       const std::shared_ptr<ProgressView>& view);

// A call on a mode, with its progress on stderr until the answer.
template <class... Args>
Result<Message> call_with_progress(BusClient& bus, const std::string& mode, const Address& to,
                                   const char* member, const char* types, Args... args) {
    const auto view = std::make_shared<ProgressView>(STDERR_FILENO);
    PMOS_TRY(show_progress(bus, mode, view));
    return bus.call(to, member, types, std::move(args)...);
}

}  // namespace pmos::cli
