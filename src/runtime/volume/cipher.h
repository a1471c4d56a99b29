// volume: whether the kernel can encrypt and decrypt as a volume needs it. Never sees a key.
#pragma once

#include <string_view>

#include "base/result.h"

namespace pmos::volume {

// Code::unsupported: it is known to lack the cipher. Before a secret is asked for or counted.
Result<void> check_cipher(std::string_view spec);

}  // namespace pmos::volume
