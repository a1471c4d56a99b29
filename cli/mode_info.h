// cli: a mode's properties as pmosd shows them. Never prints.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/bus_client.h"

namespace pmos::cli {

struct ModeInfo {
    std::string name, file, plan_digest, state, reason, locked_by;
    bool foreground = false, locked = false, suspended = false, provisioned = false,
         autostart = false, recording = false, on_call = false, uses_microphone = false,
         uses_loudspeaker = false;
    bool needs_secret = true;         // asking once too often is safer than passing an empty secret
    std::uint32_t failures = 0;       // wrong secrets in a row
    std::uint64_t retry_after_s = 0;  // bus::kNever: never
    std::uint32_t notifications = 0;  // that others may know of
    std::uint32_t pid = 0;
    std::uint64_t started_at_us = 0;         // CLOCK_BOOTTIME
    std::uint64_t fingerprint_until_us = 0;  // as above; 0: a finger is not enough
    std::int32_t exit_status = -1;
};

// By name.
Result<std::vector<ModeInfo>> read_modes(BusClient& bus);
Result<ModeInfo> read_mode(BusClient& bus, const std::string& mode);

std::uint64_t boottime_us();

}  // namespace pmos::cli
