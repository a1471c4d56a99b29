// daemon: how systemd-logind is asked to hold something off. Decides nothing.
#pragma once

#include <systemd/sd-bus.h>

namespace pmos::daemon {

// Inhibit. A phone without logind does not get one by that. The handler gets the answer, a
// descriptor that is the lock, unless the slot is gone before: then the lock is given back as it
// comes. Negative: it could not be asked.
int ask_to_inhibit(sd_bus* bus, const char* what, const char* who, const char* why, const char* how,
                   sd_bus_message_handler_t handler, void* userdata, sd_bus_slot** slot);

}  // namespace pmos::daemon
