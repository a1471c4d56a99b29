// tpm: what a PIN comes to, one key for each use. Derives, and keeps nothing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "base/secret.h"

namespace pmos::tpm {

// What the PIN was stretched to, by the profile's key derivation: who takes the TPM apart has what
// authorises its indices, and is to pay for each guess all the same.
inline constexpr std::size_t kStretchedBytes = 32;

enum class Use : std::uint64_t { count = 1, share = 2, keyslot = 3 };
Result<SecretBuffer> derive(const SecretBuffer& stretched, Use use);

// What opens the keyslot: of the share and of the PIN, so that neither does alone.
Result<SecretBuffer> keyslot_secret(const SecretBuffer& share, const SecretBuffer& stretched);

}  // namespace pmos::tpm
