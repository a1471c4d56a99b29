// volume: a way into a volume for who holds a private key elsewhere. Holds none itself.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"

namespace pmos::volume {

// A public key is X25519's, in base64; its fingerprint SHA-256 of its 32 bytes, in hex.
Result<std::string> fingerprint_of(std::string_view public_key);

// By libsodium's sealed box, in base64: only the private key opens it.
Result<std::string> seal(std::span<const std::byte> secret, std::string_view public_key);

}  // namespace pmos::volume
