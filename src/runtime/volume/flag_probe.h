// volume: measures which flags a new volume is the fastest with. Writes noise into it: nothing else
// may be there yet.
#pragma once

#include <string>

#include "base/result.h"
#include "runtime/volume/channel.h"
#include "runtime/volume/crypt.h"

namespace pmos::volume {

// Of what crypt.map_fresh() has mapped; takes some hundreds of milliseconds. Fails only when the
// request was cancelled: what cannot be measured keeps cryptsetup's defaults.
Result<MapFlags> probe_flags(CryptDevice& crypt, const std::string& dm_name, Channel& channel);

}  // namespace pmos::volume
