// tpm: who may lift the TPM's lockout after wrong secrets: nobody. Never takes over one that is in
// somebody's hands.
#pragma once

#include "base/result.h"
#include "runtime/tpm/session.h"

namespace pmos::tpm {

// While the lockout hierarchy has no password, whoever commands the TPM lifts the lockout and goes
// on guessing. Then, and only then: a wrong secret is forgotten after ten minutes or what is set
// already if that is longer, 32 at a time; and the password is 32 bytes that are kept nowhere. From
// then on only the platform (the firmware's menu) clears the TPM. True: it was done now.
Result<bool> shut_lockout(Tpm& tpm, Session& session);

}  // namespace pmos::tpm
