// volume: what a re-encryption that was killed has left on the storage, brought to an end before
// the volume is mapped or written anew again.
#pragma once

#include <cstddef>
#include <span>

#include "base/result.h"
#include "runtime/volume/crypt.h"

namespace pmos::volume {

// Both only of a volume that is not open: what is written in it would be written over. Cut short,
// they are done again by check_complete() and the next call.

// Before any secret is tried. Where all of the data has the new key, the header says so, and takes
// no secret for it: with the old key's keyslots half gone there is none that opens it. Where it was
// cut short in the midst of a piece, the header as it is goes on the storage.
Result<void> prepare_mending(const Request& request, CryptDevice& crypt);

// That piece, to its end. False: there is none. Code::wrong_secret: nothing was written.
Result<bool> mend_piece(const Request& request, CryptDevice& crypt,
                        std::span<const std::byte> secret);

}  // namespace pmos::volume
