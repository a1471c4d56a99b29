// volume: a way into a volume comes or goes, so that at every moment the others still open it.
// Judges nothing, never logs.
#pragma once

#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "runtime/volume/crypt.h"
#include "runtime/volume/factor.h"
#include "runtime/volume/method.h"
#include "runtime/volume/request.h"

namespace pmos::volume {

// The order, each step on the storage before the next one begins:
//   1. the method's own token, which speaks of no keyslot yet;
//   2. a mark says which keyslot is to come;
//   3. the keyslot, opened once to see that it can be read back;
//   4. the token is bound to it;
//   5. the mark goes.
// Cut short before 4 nobody has been told of the new way: the next secret that opens the volume
// takes what there is of it away. After 4 it stays.
// Code::no_space: all keyslots are taken. The keyslot.
Result<int> enroll(const Request& request, CryptDevice& crypt, const Method& method,
                   const Enrolled& enrolled, std::span<const std::byte> key, const PbkdfCost& cost);

// What is outside the header first, then the keyslot, then the token: cut short, it is listed
// still, or opens nothing any more.
Result<void> remove_factor(const Request& request, CryptDevice& crypt, const Factor& factor);

// After `opened`, a keyslot, has opened the volume: what was cut short once, here and in a change
// of the secret, is brought to its end. Nothing to settle is a success.
Result<void> settle(const Request& request, CryptDevice& crypt, int opened);

}  // namespace pmos::volume
