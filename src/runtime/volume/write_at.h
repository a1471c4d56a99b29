// volume: bytes into a place of an open file or device. Never syncs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::volume {

// All of them, or an error that says `what`.
Result<void> write_at(BorrowedFd file, std::span<const std::byte> bytes, std::uint64_t at,
                      std::string_view what);

}  // namespace pmos::volume
