// cli: the progress that pmosd tells of a mode, shown while a call waits for its answer.
#pragma once

#include <unistd.h>

#include <string>
#include <utility>

#include "cli/bus_client.h"
#include "cli/progress.h"

namespace pmos::cli {

Result<> show_progress(BusClient& bus, const std::string& mode, ProgressView& view);

// A call on a mode, with its progress on stderr until the answer.
template <class... Args>
Result<Message> call_with_progress(BusClient& bus, const std::string& mode, const Address& to,
                                   const char* member, const char* types, Args... args) {
    ProgressView view(STDERR_FILENO);
    PMOS_TRY(show_progress(bus, mode, view));
    auto answer = bus.call(to, member, types, std::move(args)...);
    view.finish();
    return answer;
}

}  // namespace pmos::cli
