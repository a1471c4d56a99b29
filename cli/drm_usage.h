// cli: what the processes of a mode use of GPUs, as the drivers tell in fdinfo
// (Documentation/gpu/drm-usage-stats.rst, Linux 5.19). Opens no device.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cli/open_devices.h"

namespace pmos::cli {

// One open(2) of a GPU: its descriptors, in however many processes, are one client.
struct DrmClient {
    std::string driver;
    std::string id;             // of the client, on its device
    std::uint64_t memory = 0;   // bytes, resident where the driver tells the difference
    std::uint64_t busy_ns = 0;  // of all its engines together, since it was opened
};
// Nothing where the text is of no GPU, or of one whose driver counts nothing.
std::optional<DrmClient> drm_client(std::string_view fdinfo);

struct DrmUsage {
    std::size_t clients = 0, silent = 0;  // silent: descriptors whose driver counts nothing
    std::uint64_t memory = 0, busy_ns = 0;
    std::set<std::string> drivers;
};
DrmUsage drm_usage(const std::vector<OpenDevice>& open, const std::string& proc = "/proc");

}  // namespace pmos::cli
