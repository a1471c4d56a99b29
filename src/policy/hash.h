// policy: SHA-256 by libgcrypt. Holds no secret.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace pmos::policy {

std::string sha256_hex(std::span<const std::byte> bytes);

}  // namespace pmos::policy
