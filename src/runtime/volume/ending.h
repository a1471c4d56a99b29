// volume: the mark that a mode's keys are being destroyed, on the storage. Destroys nothing itself.
#pragma once

#include "base/result.h"
#include "runtime/volume/protocol.h"

namespace pmos::volume {

// There from before the first write of a destruction until after its last: no write takes all
// keyslots of all volumes at once, and the power may go between two. Whoever finds it goes on with
// the destruction before anything opens. It stays where a keyslot could not be overwritten. On the
// storage when it returns. A request that names no
// place for its count has none.
Result<void> mark_ending(const Request& request);
// The same. One that is not there is no error.
Result<void> unmark_ending(const Request& request);
Result<bool> is_ending(const Request& request);

}  // namespace pmos::volume
