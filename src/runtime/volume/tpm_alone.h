// volume: the method "tpm2": the TPM gives the passphrase out by itself, while its PCRs are as they
// were. What systemd-cryptenroll makes without a PIN, in both directions; never logs.
#pragma once

#include <string>

#include "base/result.h"
#include "runtime/tpm/tpm.h"

namespace pmos::volume::tpm_alone {

// Of a token that this TPM did not open: why, for a person.
Result<std::string> why_refused(tpm::Tpm& tpm, const std::string& token);

}  // namespace pmos::volume::tpm_alone
