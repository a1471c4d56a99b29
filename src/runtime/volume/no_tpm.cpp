// volume: the method "tpm2+pin" of a pmos that was built without a TPM: known, and refused.
#include "runtime/volume/method.h"

namespace pmos::volume {
namespace {

std::unexpected<Error> refused() {
    return fail(Code::unsupported, "this pmos was built without a TPM", "",
                "build it with -Dtpm=enabled");
}

bool fits(const SecretBuffer&) { return true; }
Result<SecretBuffer> passphrase(const Request&, const CryptDevice&, const Factor&,
                                const SecretBuffer&) {
    return refused();
}
Result<Enrolled> enroll(const Request&, const CryptDevice&, const SecretBuffer*) {
    return refused();
}
Result<void> destroy(const Request&, const std::string&) { return refused(); }

}  // namespace

const Method kTpmPin{.name = "tpm2+pin",
                     .token = "pmos-tpm",
                     .random = true,
                     .chosen = true,
                     .fits = fits,
                     .passphrase = passphrase,
                     .enroll = enroll,
                     .destroy = destroy};

}  // namespace pmos::volume
