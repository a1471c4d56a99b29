// volume: bytes into a place of an open file or device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::volume {

// All of them, or an error that says `what`. Does not sync.
Result<void> write_at(BorrowedFd file, std::span<const std::byte> bytes, std::uint64_t at,
                      std::string_view what);

// Over the first `bytes`; on the storage when it returns.
Result<void> write_zeros(BorrowedFd file, std::uint64_t bytes, std::string_view what);

}  // namespace pmos::volume
