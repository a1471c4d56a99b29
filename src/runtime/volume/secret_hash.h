// volume: what tells one secret from another without opening anything, never cheaper to guess at
// than a keyslot. Keeps nothing.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "base/result.h"
#include "runtime/volume/crypt.h"

namespace pmos::volume {

using HashBytes = std::array<char, 32>;

// One derivation at the full cost answers two questions, so that no secret takes longer to refuse
// than another: is it the duress secret (duress.h), was it wrong before (repeats.h)? Neither half
// tells the other.
struct SecretHash {
    HashBytes salt{}, duress{}, repeat{};
};

Result<HashBytes> random_salt();
Result<SecretHash> hash_secret(std::span<const std::byte> secret, const HashBytes& salt,
                               const KeyslotCost& cost);

}  // namespace pmos::volume
