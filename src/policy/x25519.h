// policy: X25519 public keys as wg(8) writes them. Never sees a private one.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pmos::policy {

using PublicKey = std::array<std::uint8_t, 32>;

// 44 letters of base64, and no spelling but the one that key_text() gives.
std::optional<PublicKey> parse_key(std::string_view text);
std::string key_text(const PublicKey& key);

}  // namespace pmos::policy
