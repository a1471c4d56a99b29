// tpm: a way to a TPM that does not wait for ever. Looks at no command and no answer.
#pragma once

#include <chrono>

#include "runtime/tpm/tpm.h"

namespace pmos::tpm {

// What the way says of an answer that has not come in time; the conversation is over then.
inline constexpr TSS2_RC kLate = TSS2_TCTI_RC_NO_CONNECTION;

// nullptr: no memory. Waits for ever where the inner way cannot be polled.
Tcti with_deadline(Tcti inner, std::chrono::milliseconds longest);

}  // namespace pmos::tpm
