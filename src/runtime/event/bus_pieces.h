// event: pieces of sd-bus as values, for the processes that serve or ask a bus. Knows no interface.
#pragma once

#include <systemd/sd-bus.h>

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace pmos::event {

struct UnrefBus {
    void operator()(sd_bus* bus) const noexcept { sd_bus_close_unref(bus); }
};
using BusPtr = std::unique_ptr<sd_bus, UnrefBus>;

// An error under the code's bus name, "what: why" and the hint on a line of its own; for a vtable's
// own error return, and for the answer to a call.
int set_error(sd_bus_error* out, const Error& error);
void reply_error(sd_bus_message* call, const Error& error);

// An array of strings, behind what has been read or written.
int read_strings(sd_bus_message* message, std::vector<std::string>& out);
int append_strings(sd_bus_message* message, const std::vector<std::string>& texts);

}  // namespace pmos::event
