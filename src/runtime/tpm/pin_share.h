// tpm: a share of a key that the TPM gives out for the right PIN, and after twenty wrong ones in a
// row never again. Sees no PIN, only what was derived from it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "runtime/tpm/pin_count.h"
#include "runtime/tpm/session.h"

namespace pmos::tpm {

// What is to be kept of a share, in the open.
struct PinShare {
    PinSpace space;
    KeyName key{};
};

struct MadeShare {
    PinShare share;
    SecretBuffer bytes;
};
// In handles that are free; read back once. What fails half-way is undone. The first on this TPM
// shuts its lockout (dictionary.h).
Result<MadeShare> make_share(Tpm& tpm, const std::string& owner, const SecretBuffer& stretched);

// Code::wrong_secret: says how many more tries there are. Code::throttled: there are none, ever.
// Code::not_found: the TPM has it no more, or not as it was made. Code::busy: not tried, the TPM's
// own lockout runs. Code::timed_out: no answer, so it may have been counted.
Result<SecretBuffer> open_share(Tpm& tpm, const PinShare& share, const SecretBuffer& stretched);

Result<PinState> share_state(Tpm& tpm, const PinShare& share);

// Neither index is there any more when this returns; nothing to do is a success. The share goes
// first. An index of somebody else in its place is left alone.
Result<> destroy_share(Tpm& tpm, const PinSpace& space);

// All that the TPM has of this owner, also what a power cut left half made.
Result<std::vector<PinSpace>> shares_of(Tpm& tpm, const std::string& owner);

}  // namespace pmos::tpm
