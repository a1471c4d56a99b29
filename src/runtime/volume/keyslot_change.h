// volume: one secret in place of another, so that at every moment one of the two opens the volume.
// Never logs.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime/volume/crypt.h"

namespace pmos::volume {

// The order, each step on the storage before the next one begins:
//   1. a token says which keyslot is to be replaced by which;
//   2. the new keyslot is written, and opened once to see that it can be read back;
//   3. the old keyslot is destroyed;
//   4. the token goes.
// Cut short after 1 or in 2, the old secret opens the volume; between 2 and 3 both do; after 3 the
// new one. The next secret that opens it settles the matter: its keyslot stays, the other goes.
struct KeyslotChange {
    int before = -1, after = -1;

    std::string token() const;
    // Empty: it is another token.
    static std::optional<KeyslotChange> parse(std::string_view token);
};

// Code::no_space: all keyslots are taken.
Result<void> change_secret(CryptDevice& crypt, const CryptDevice::Unsealed& old,
                           const PbkdfCost& cost, std::span<const std::byte> secret);
// After `opened`, a keyslot, has opened the volume: what a change of the secret or of the volume
// key has left half done. Nothing to settle is a success.
Result<void> settle_change(CryptDevice& crypt, int opened);

}  // namespace pmos::volume
