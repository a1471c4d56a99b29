// volume: Argon2 by the cost that a keyslot has. Keeps nothing.
#include "runtime/volume/stretch.h"

#include <argon2.h>

namespace pmos::volume {

Result<void> stretch(std::span<const std::byte> secret, std::span<const std::byte> salt,
                     const KeyslotCost& cost, std::span<std::byte> out) {
    const auto derive = cost.type == "argon2i" ? argon2i_hash_raw : argon2id_hash_raw;
    const int r = derive(cost.iterations, cost.memory_kib, cost.lanes, secret.data(), secret.size(),
                         salt.data(), salt.size(), out.data(), out.size());
    if (r == ARGON2_OK) return {};
    return fail(r == ARGON2_MEMORY_ALLOCATION_ERROR ? Code::no_space : Code::failed,
                "cannot derive a key", argon2_error_message(r));
}

}  // namespace pmos::volume
