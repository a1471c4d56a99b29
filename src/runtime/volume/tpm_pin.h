// volume: the method "tpm2+pin" against a TPM that the caller has opened. Counts nothing itself:
// the TPM does, beside what judge.h does.
#pragma once

#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "runtime/tpm/tpm.h"
#include "runtime/volume/method.h"

namespace pmos::volume::tpm_pin {

// As the functions of Method, and `json` the token.
Result<SecretBuffer> passphrase(tpm::Tpm& tpm, const std::string& json,
                                const SecretBuffer& entered);
Result<Enrolled> enroll(tpm::Tpm& tpm, const Request& request, const CryptDevice& crypt,
                        const SecretBuffer& chosen);
Result<void> destroy(tpm::Tpm& tpm, const std::string& json);
Result<std::string> state(tpm::Tpm& tpm, const std::string& json);

}  // namespace pmos::volume::tpm_pin
