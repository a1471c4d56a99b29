// volume: a secret that a machine made and a person copies: 256 random bits as 64 letters that
// every keyboard has in the same place (modhex), in groups of eight. Never tries one.
#pragma once

#include <optional>

#include "base/result.h"
#include "base/secret.h"

namespace pmos::volume {

inline constexpr std::size_t kRecoveryText = 71;

Result<SecretBuffer> make_recovery_key();
// As it was made, out of what a person typed: in capitals, without dashes or with spaces. Empty: it
// is none.
std::optional<SecretBuffer> normal_recovery_key(const SecretBuffer& entered);

}  // namespace pmos::volume
