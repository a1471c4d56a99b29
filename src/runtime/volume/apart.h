// volume: the mark on a block device whose volume has its header elsewhere: without it such a
// device looks as if nothing were on it. Writes nothing but that mark.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::volume {

Result<bool> is_marked_apart(const std::string& device);
// On the storage when it returns. The mark is in front of the data, which begins at kApartOffset.
Result<void> mark_apart(BorrowedFd device);
// On the storage when it returns.
Result<void> unmark_apart(BorrowedFd device);

}  // namespace pmos::volume
