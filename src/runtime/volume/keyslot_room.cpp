// volume: what is free among the keyslots of a header. Pure.
#include "runtime/volume/keyslot_room.h"

#include <algorithm>

namespace pmos::volume {

std::uint64_t largest_gap(Area whole, std::vector<Area> taken) {
    std::ranges::sort(taken, {}, &Area::offset);
    const std::uint64_t end = whole.offset + whole.length;
    std::uint64_t largest = 0, at = whole.offset;
    for (const auto& area : taken) {
        if (area.offset > at) largest = std::max(largest, std::min(area.offset, end) - at);
        at = std::clamp(area.offset + area.length, at, end);
    }
    return std::max(largest, end - at);
}

std::uint64_t keyslot_area(std::uint64_t key_bytes) {
    constexpr std::uint64_t kStripes = 4000, kPage = 4096;
    return (key_bytes * kStripes + kPage - 1) / kPage * kPage;
}

}  // namespace pmos::volume
