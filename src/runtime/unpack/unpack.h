// unpack: archives that others made, into a directory that nobody else uses. Follows no link out of
// it, makes no device, and opens nothing else.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::unpack {

struct Options {
    bool layer = false;     // of an OCI image: whiteouts take away what lower layers brought
    bool all_root = false;  // everything becomes uid 0's and gid 0's
    std::uint64_t max_bytes = 8ULL << 30;
    std::uint64_t max_entries = 1U << 20;
};

// A tar, plain or compressed by gzip, xz or zstd. `left_out` hears of entries that are not made: a
// device node is of no use in a mode. A path that leads out, a link to what is not there, and what
// does not fit are errors by the entry's name; what was unpacked before stays.
Result<> unpack(BorrowedFd archive, BorrowedFd directory, const Options& options,
                const std::function<void(std::string)>& left_out);

}  // namespace pmos::unpack
