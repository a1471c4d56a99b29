// volume: what systemd-cryptenroll has enrolled with the TPM and a PIN. Opens it only: the TPM's
// lockout, which is everybody's, is all that limits guesses, and erasing takes nothing away.
#include "runtime/volume/method.h"
#include "runtime/volume/recovery.h"

namespace pmos::volume {
namespace {

constexpr std::string_view kType = "systemd-tpm2";

bool fits(const SecretBuffer& entered) { return !normal_recovery_key(entered); }

Result<SecretBuffer> passphrase(const Request&, const CryptDevice& crypt, const Factor& factor,
                                const SecretBuffer& entered) {
    return crypt.passphrase_behind(factor.token, kType, entered.bytes());
}

}  // namespace

const Method kSystemdTpm{.name = "tpm2+pin",
                         .token = kType,
                         .random = true,
                         .counts = true,
                         .fits = fits,
                         .passphrase = passphrase};

}  // namespace pmos::volume
