// volume: who re-encrypts a volume now, and what one that was killed has left of devices and keys
// in the kernel. Never sees a key; what is on the storage libcryptsetup mends with the next
// opening.
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "runtime/volume/protocol.h"

namespace pmos::volume {

// Held by who re-encrypts it, as long as that one lives. Code::busy: somebody holds it.
Result<UniqueFd> take_turn(const Request& request);
bool is_being_reencrypted(const Request& request);

// Of an open one, after a kill: whoever waits for the piece that was being written anew is let go,
// by an error where nobody can know what is in it. Nothing where nothing was left.
Result<void> let_go_of_helpers(const Request& request);
// When nobody uses the volume any more.
Result<void> remove_helpers(const Request& request);

// Of an open or a closed one; leaves those of a living worker alone.
Result<void> remove_temporary_crypt(const Request& request);

}  // namespace pmos::volume
