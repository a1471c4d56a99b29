// volume: the method "fido2" of a pmos that was built without libfido2: known, and refused.
#include "runtime/volume/method.h"

namespace pmos::volume {
namespace {

std::unexpected<Error> refused() {
    return fail(Code::unsupported, "this pmos was built without FIDO2", "",
                "build it with -Dfido2=enabled");
}

bool fits(const SecretBuffer&) { return true; }
Result<SecretBuffer> passphrase(const Request&, const CryptDevice&, const Factor&,
                                const SecretBuffer&) {
    return refused();
}
Result<Enrolled> enroll(const Request&, const CryptDevice&, const SecretBuffer*) {
    return refused();
}

}  // namespace

const Method kFido2{.name = "fido2",
                    .token = "systemd-fido2",
                    .random = true,
                    .chosen = true,
                    .several = true,
                    .fits = fits,
                    .passphrase = passphrase,
                    .enroll = enroll};

}  // namespace pmos::volume
