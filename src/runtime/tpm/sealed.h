// tpm: a secret that only this TPM opens again, in the form that systemd 252 has in its LUKS2
// tokens. Keeps nothing: what is sealed lies where the caller puts it.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "runtime/tpm/session.h"

namespace pmos::tpm {

// The PCRs of SHA-256's bank, bit by bit, that have to be as they are now.
using PcrMask = std::uint32_t;
inline constexpr PcrMask kAllPcrs = (1U << 24U) - 1;

struct Sealed {
    std::string token;  // "type":"systemd-tpm2", with "keyslots":[]
    SecretBuffer passphrase;
};
// pin: nullptr for none. What is sealed is random. The TPM's lockout is all that limits guesses,
// and where the token is, the secret can be opened: no erasure of an index takes it away.
Result<Sealed> seal_passphrase(Tpm& tpm, PcrMask pcrs, const SecretBuffer* pin);

// What a token of today has as its policy, without a PIN: hexadecimal.
Result<std::string> policy_now(Tpm& tpm, PcrMask pcrs);

}  // namespace pmos::tpm
