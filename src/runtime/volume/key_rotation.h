// volume: another volume key in place of the one that a volume has, up to where the data begins to
// be written anew. Never logs.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime/volume/crypt.h"

namespace pmos::volume {

// The order, each step on the storage before the next one begins:
//   1. a token says which keyslot will get the new volume key;
//   2. that keyslot is written, by the same secret as the old one;
//   3. the tokens of the old keyslot are the new one's as well;
//   4. the header says that the volume is being re-encrypted.
// Cut short before 4, nothing has changed, and the new key goes with the next opening; after 4 both
// keyslots are needed, and libcryptsetup drops the old ones with the last piece of the data.
struct KeyRotation {
    int next = -1;

    std::string token() const;
    // Empty: it is another token.
    static std::optional<KeyRotation> parse(std::string_view token);
};

// Code::unsupported: another secret opens the volume as well, and could not follow.
// Code::no_space: the header has no room.
Result<void> begin_rotation(CryptDevice& crypt, const std::string& dm_name, int keyslot,
                            const PbkdfCost& cost, std::span<const std::byte> secret);
// What was cut short before 4 goes; so does the mark of one that has ended. Nothing to settle, or
// one that goes on, is a success.
Result<void> settle_rotation(CryptDevice& crypt);

}  // namespace pmos::volume
