// host: the small files of /proc, /sys and cgroupfs. One read or one write each, never logs.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::host {

// Relative to directory, or to the working directory when that is empty. At most 1 MiB.
std::optional<std::string> read_small_file(BorrowedFd directory, const std::string& path);
inline std::optional<std::string> read_small_file(const std::string& path) {
    return read_small_file(BorrowedFd(), path);
}
// 0 or a positive errno.
int write_small_file(BorrowedFd directory, const std::string& path, std::string_view value);

std::vector<std::string> split_words(std::string_view text);

}  // namespace pmos::host
