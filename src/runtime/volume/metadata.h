// volume: the metadata in a file that holds a header and nothing else. Reads what libcryptsetup has
// written there, and writes what it will read.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "runtime/volume/keyslot_room.h"

namespace pmos::volume {

// Both copies, with the next number. Not synced.
Result<void> replace_metadata(BorrowedFd header, const std::string& json);
Result<void> wipe_area(BorrowedFd header, Area area);

}  // namespace pmos::volume
