// network: how much of a day's volume a mode has used. The kernel counts, in a quota of nftables
// that is named after the day.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/result.h"

namespace pmos::network {

struct Spent {
    std::string day;  // "2026-11-30", of UTC
    std::uint64_t bytes = 0;
};

using Clock = std::chrono::system_clock;
std::string day_of(Clock::time_point now);
// Until a day may have ended: where the clock is set meanwhile that is noticed within an hour.
std::chrono::seconds next_look(Clock::time_point now);

std::string quota_name(const Spent& spent);
// Of the mode whose namespace the process is in; 0: nothing was counted on that day.
Result<std::uint64_t> bytes_spent(const std::string& day);

}  // namespace pmos::network
