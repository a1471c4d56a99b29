// volume: what a header's metadata says of a re-encryption, and the metadata as it is when that has
// ended. Text and values: reads no device.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/volume/keyslot_room.h"

namespace pmos::volume {

// How much of the data has the new key, between two pieces. unclear: nothing that is known here.
enum class Rewritten : std::uint8_t { nothing, part, all, unclear };
Rewritten rewritten_of(const std::string& metadata);

struct Ended {
    std::string metadata;
    std::vector<Area> unused;  // what the keyslots had that are no more
};
// What libcryptsetup writes when all of the data has the new key: the old key goes, and every note
// of the work.
Result<Ended> end_reencryption(const std::string& metadata);

}  // namespace pmos::volume
