// peer: the little of org.freedesktop.DBus that a program asks of a bus, where it is the
// broker itself that it speaks to. Knows no mode.
#pragma once

#include "runtime/peer/face.h"

namespace pmos::peer {

// Whom the broker is on such a bus, and the sender of all that it says.
inline constexpr const char* kOwnName = ":1.1";

int add_bus_driver(Face::Peer& peer, BusNames names);
// service: the well-known name that the broker has there.
inline int add_bus_driver(Face::Peer& peer, const char* service) {
    return add_bus_driver(peer, BusNames{{service}, std::nullopt});
}

}  // namespace pmos::peer
