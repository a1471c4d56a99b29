// volume: whether the kernel can encrypt and decrypt as a volume needs it. Never sees a key.
#include "runtime/volume/cipher.h"

#include <fmt/format.h>

#include "policy/luks.h"
#include "runtime/sys/cipher.h"

namespace pmos::volume {

Result<void> check_cipher(std::string_view spec) {
    const auto* cipher = policy::find_cipher(spec);
    if (cipher == nullptr || !sys::sys_lacks_cipher(cipher->kernel)) return {};
    return fail(Code::unsupported, fmt::format("cannot encrypt or decrypt by '{}'", spec),
                fmt::format("this kernel has no {}", cipher->kernel), policy::cipher_hint(*cipher));
}

}  // namespace pmos::volume
