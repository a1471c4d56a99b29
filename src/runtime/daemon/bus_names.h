// daemon: the names of the bus API, shared with pmosctl. docs/bus.md describes them.
#pragma once

#include <cstdint>

namespace pmos::bus {

inline constexpr const char* kService = "org.pmos.Runtime1";
inline constexpr const char* kManagerPath = "/org/pmos/Runtime1";
inline constexpr const char* kModePrefix = "/org/pmos/Runtime1/mode";  // sd_bus_path_encode
inline constexpr const char* kManagerInterface = "org.pmos.Runtime1.Manager";
inline constexpr const char* kModeInterface = "org.pmos.Runtime1.Mode";
inline constexpr const char* kVolumesInterface = "org.pmos.Runtime1.Volumes";
inline constexpr const char* kFingersInterface = "org.pmos.Runtime1.Fingerprints";
inline constexpr const char* kNetworkInterface = "org.pmos.Runtime1.Network";
// The same API without a bus daemon: D-Bus peer to peer, root only.
inline constexpr const char* kPrivateSocket = "/run/pmos/private";
// RetryAfter when no secret is accepted any more.
inline constexpr std::uint64_t kNever = UINT64_MAX;

}  // namespace pmos::bus
