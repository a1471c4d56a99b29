// base: a whole regular file as bytes, for files that others wrote. Follows no link, never blocks.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"

namespace pmos {

// A FIFO would block, a device could do anything, a link could be swapped for another: refused.
// At most `limit` bytes; a file that is larger is refused too.
Result<std::string> read_regular_file(const std::string& path, std::size_t limit);
// The same for a path below a directory: no part of it may be a link, and none leads out.
Result<std::string> read_regular_file_below(const std::string& directory, const std::string& path,
                                            std::size_t limit);

}  // namespace pmos
