// base: SHA-256 of a whole file, however large. Follows no link, never blocks on what is no file.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace pmos {

struct FileHash {
    std::uint64_t size = 0;
    std::string sha256;  // hex
};

// Reads to the end; `path` is for messages. A file that is not regular is refused.
Result<FileHash> hash_file(BorrowedFd fd, const std::string& path);
Result<FileHash> hash_file(const std::string& path);

}  // namespace pmos
