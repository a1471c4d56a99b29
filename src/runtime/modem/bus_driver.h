// modem: the little of org.freedesktop.DBus that a program asks of a system bus, where it is the
// broker itself that it speaks to. Knows no mode.
#pragma once

#include <systemd/sd-bus.h>

namespace pmos::modem {

// Whom the broker is on such a bus, and the sender of all that it says.
inline constexpr const char* kOwnName = ":1.1";

// name: the client's own, which outlives the connection.
int add_bus_driver(sd_bus* bus, const char* name);

}  // namespace pmos::modem
