// network: what a mode, or who called it, was refused. Values only.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/network/protocol.h"

namespace pmos::network {

struct Refusal {
    std::string mode;
    bool inbound = false;
    std::string destination;  // "tcp/443 to 203.0.113.7"; of who calls "tcp/22 from 203.0.113.7"
    std::string name;         // what the mode asked for, where it is that which is refused
    std::string reason;       // a word of policy::kConnectionReasonNames
    std::string pointer;      // of the profile's line, or of the nearest above it
    std::uint32_t uid = kNobody;  // of the phone, whose socket it was
    std::uint64_t times = 1;
};

}  // namespace pmos::network
