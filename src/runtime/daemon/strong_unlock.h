// daemon: when a mode's own secret was last given, and what fingers tried since, under /run/pmos:
// what survives a restart of pmosd, and no boot. Holds nothing in memory; what cannot be read is as
// if it had never been.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/daemon/context.h"

namespace pmos::daemon {

// So many wrong fingers in a row, and only the secret is enough.
inline constexpr unsigned kMostFingers = 5;

struct StrongUnlock {
    std::uint64_t at = 0;  // CLOCK_BOOTTIME, µs
    unsigned refused = 0;  // fingers in a row
};

Result<> write_strong_unlock(const Paths& paths, const std::string& mode, const StrongUnlock& last);
std::optional<StrongUnlock> read_strong_unlock(const Paths& paths, const std::string& mode);
Result<> remove_strong_unlock(const Paths& paths, const std::string& mode);

// Why a fingerprint is not enough, as events have it: "never", "expired", "too-many"; "": it is.
std::string_view why_strong(const std::optional<StrongUnlock>& last, std::uint32_t within_ms,
                            std::uint64_t now);

}  // namespace pmos::daemon
