// volume: what one guess takes at a secret that a person types. Tries none, derives nothing.
#pragma once

#include <optional>

#include "runtime/volume/crypt.h"

namespace pmos::volume {

// Of the way that is the dearest to guess at, whatever was asked for, so that what is kept of a
// wrong one is comparable. Keyslots of random passphrases say nothing of it. Empty: none has
// Argon2.
std::optional<KeyslotCost> guess_cost(const CryptDevice& crypt);
// Half of it is as dear: a cost that is fitted to the device anew comes out a little different.
bool is_as_dear(const KeyslotCost& cost, const KeyslotCost& as);

}  // namespace pmos::volume
