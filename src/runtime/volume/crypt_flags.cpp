// volume: libcryptsetup as values and Results: the flags that a header keeps for every opening.
// Never logs.
#include <array>

#include "runtime/volume/crypt_context.h"

namespace pmos::volume {
namespace {

struct Bit {
    bool MapFlags::*member;
    std::uint32_t bit;
};
constexpr std::array kBits{
    Bit{&MapFlags::discards, CRYPT_ACTIVATE_ALLOW_DISCARDS},
    Bit{&MapFlags::inline_reads, CRYPT_ACTIVATE_NO_READ_WORKQUEUE},
    Bit{&MapFlags::inline_writes, CRYPT_ACTIVATE_NO_WRITE_WORKQUEUE},
    Bit{&MapFlags::same_cpu, CRYPT_ACTIVATE_SAME_CPU_CRYPT},
    Bit{&MapFlags::submit_from_crypt_cpus, CRYPT_ACTIVATE_SUBMIT_FROM_CRYPT_CPUS},
};

std::uint32_t bits_of(const MapFlags& flags) {
    std::uint32_t bits = 0;
    for (const auto& [member, bit] : kBits)
        if (flags.*member) bits |= bit;
    return bits;
}

}  // namespace

Result<MapFlags> CryptDevice::flags() const {
    std::uint32_t bits = 0;
    if (const int r = ::crypt_persistent_flags_get(context_->cd, CRYPT_FLAGS_ACTIVATION, &bits);
        r < 0)
        return fail(error(r, "cannot read the flags in the volume's header"));
    MapFlags flags;
    for (const auto& [member, bit] : kBits) flags.*member = (bits & bit) != 0;
    return flags;
}

// What others have written beside ours stays.
Result<void> CryptDevice::store_flags(const MapFlags& flags) {
    std::uint32_t bits = 0;
    int r = ::crypt_persistent_flags_get(context_->cd, CRYPT_FLAGS_ACTIVATION, &bits);
    for (const auto& [member, bit] : kBits) bits &= ~bit;
    if (r >= 0)
        r = ::crypt_persistent_flags_set(context_->cd, CRYPT_FLAGS_ACTIVATION,
                                         bits | bits_of(flags));
    if (r >= 0) return {};
    return fail(error(r, "cannot write into the volume's header"));
}

Result<void> CryptDevice::settle_discards(bool wanted) {
    PMOS_ASSIGN(MapFlags now, flags());
    if (now.discards == wanted) return {};
    now.discards = wanted;
    return store_flags(now);
}

Result<void> CryptDevice::remap(const std::string& dm_name, const MapFlags& flags) {
    const int r = ::crypt_activate_by_volume_key(context_->cd, dm_name.c_str(), nullptr, 0,
                                                 CRYPT_ACTIVATE_REFRESH | bits_of(flags));
    if (r >= 0) return {};
    return fail(error(r, "cannot map the new volume with other flags"));
}

}  // namespace pmos::volume
