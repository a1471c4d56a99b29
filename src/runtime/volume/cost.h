// volume: what the profile's key derivation may cost on this phone, now.
#pragma once

#include "runtime/volume/crypt.h"
#include "runtime/volume/protocol.h"

namespace pmos::volume {

PbkdfCost cost_of(const Request& request);

}  // namespace pmos::volume
