// volume: a method that this pmos was built without: known, and refused. Asks nothing.
#pragma once

#include "runtime/volume/method.h"

namespace pmos::volume {

// Lacks: what it was built without, and the option that builds it in.
template <class Lacks>
struct LeftOut {
    static std::unexpected<Error> refused() {
        return fail(Code::unsupported, std::string("this pmos was built without ") + Lacks::kWhat,
                    "", std::string("build it with ") + Lacks::kOption);
    }

    static bool fits(const SecretBuffer&) { return true; }
    static Result<SecretBuffer> passphrase(const Request&, const CryptDevice&, const Factor&,
                                           const SecretBuffer&) {
        return refused();
    }
    static Result<Enrolled> enroll(const Request&, const CryptDevice&, const SecretBuffer*) {
        return refused();
    }
    static Result<void> destroy(const Request&, const std::string&) { return refused(); }

    // With what there is to know of it.
    static constexpr Method method(Method known) {
        known.fits = fits;
        known.passphrase = passphrase;
        known.enroll = enroll;
        return known;
    }
};

}  // namespace pmos::volume
