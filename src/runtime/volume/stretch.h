// volume: Argon2 by the cost that a keyslot has. Keeps nothing.
#pragma once

#include <span>

#include "base/result.h"
#include "runtime/volume/crypt.h"

namespace pmos::volume {

// Fills `out`. cost.type: "argon2i", else Argon2id. Code::no_space: there is no memory for it.
Result<void> stretch(std::span<const std::byte> secret, std::span<const std::byte> salt,
                     const KeyslotCost& cost, std::span<std::byte> out);

}  // namespace pmos::volume
