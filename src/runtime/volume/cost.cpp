// volume: what the profile's key derivation may cost on this phone, now.
#include "runtime/volume/cost.h"

#include <unistd.h>

#include <algorithm>
#include <string>

#include "policy/luks.h"
#include "runtime/sys/memory.h"
#include "runtime/volume/request.h"

namespace pmos::volume {

PbkdfCost cost_of(const Request& request) {
    const std::string type(text(request.pbkdf));
    const auto cpus = static_cast<std::uint32_t>(std::max(::sysconf(_SC_NPROCESSORS_ONLN), 1L));
    const auto share =
        policy::fit_kdf(type, request.pbkdf_memory_max, sys::sys_available_memory(), cpus);
    return {type, share.memory, request.pbkdf_time_ms, request.key == KeyKind::device_key,
            share.lanes};
}

}  // namespace pmos::volume
