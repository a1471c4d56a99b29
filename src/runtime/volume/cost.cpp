// volume: what the profile's key derivation may cost on this phone, now.
#include "runtime/volume/cost.h"

#include <sys/sysinfo.h>

#include <fstream>
#include <string>

#include "runtime/volume/request.h"

namespace pmos::volume {
namespace {

std::uint64_t available_memory() {
    std::ifstream stream("/proc/meminfo");
    for (std::string key, unit; stream >> key;) {
        std::uint64_t kib = 0;
        stream >> kib;
        std::getline(stream, unit);
        if (key == "MemAvailable:") return kib << 10;
    }
    struct sysinfo info {};
    return ::sysinfo(&info) == 0 ? static_cast<std::uint64_t>(info.freeram) * info.mem_unit : 0;
}

}  // namespace

PbkdfCost cost_of(const Request& request) {
    return {std::string(text(request.pbkdf)),
            fit_pbkdf_memory(request.pbkdf_memory_max, available_memory()), request.pbkdf_time_ms,
            request.key == KeyKind::device_key};
}

}  // namespace pmos::volume
