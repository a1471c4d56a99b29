// tpm: a way to a TPM that does not wait for ever. Looks at no command and no answer.
#pragma once

#include <chrono>
#include <string>

#include "runtime/tpm/tpm.h"

namespace pmos::tpm {

// What the way says of an answer that has not come in time; the conversation is over then.
inline constexpr TSS2_RC kLate = TSS2_TCTI_RC_NO_CONNECTION;

// nullptr: no memory. Waits for ever where the inner way cannot be polled.
Tcti with_deadline(Tcti inner, std::chrono::milliseconds longest);

// Whether the TPM of this device node says anything in that time; yes where it cannot be asked, for
// then opening it fails and says why. Before it is opened by Tss2_Tcti_Device_Init (3.2), which
// asks it something too, waits for a second, and then in close(2) for as long as the kernel does:
// minutes.
bool answers(const std::string& device, std::chrono::milliseconds longest);

}  // namespace pmos::tpm
