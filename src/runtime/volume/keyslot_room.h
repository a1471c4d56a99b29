// volume: what is free among the keyslots of a header. Pure.
#pragma once

#include <cstdint>
#include <vector>

namespace pmos::volume {

struct Area {
    std::uint64_t offset = 0, length = 0;
};

// The longest piece of `whole` that none of `taken` touches; bytes.
std::uint64_t largest_gap(Area whole, std::vector<Area> taken);

// What a key of so many bytes takes as a keyslot (LUKS2: 4000 stripes, whole pages).
std::uint64_t keyslot_area(std::uint64_t key_bytes);

}  // namespace pmos::volume
