// peer: the little of org.freedesktop.DBus that a program asks of a system bus, where it is the
// broker itself that it speaks to. Knows no mode.
#pragma once

#include "runtime/peer/face.h"

namespace pmos::peer {

// Whom the broker is on such a bus, and the sender of all that it says.
inline constexpr const char* kOwnName = ":1.1";

// service: the well-known name that the broker has there.
int add_bus_driver(Face::Peer& peer, const char* service);

}  // namespace pmos::peer
