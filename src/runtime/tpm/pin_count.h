// tpm: the count of wrong PINs that the TPM keeps: made, read, and asked whether a PIN is right.
#pragma once

#include "base/result.h"
#include "base/secret.h"
#include "runtime/tpm/pin_space.h"
#include "runtime/tpm/session.h"

namespace pmos::tpm {

struct PinState {
    bool there = false;  // both indices, as they were made
    std::uint32_t failures = 0, limit = 0;
};

Result<> make_count(Tpm& tpm, Session& session, const PinSpace& space,
                    const SecretBuffer& stretched);
// Of one that is there.
Result<PinState> read_count(Tpm& tpm, Session& session, const PinSpace& space);

// The policy session that opens the share, of a right PIN; the count is back at 0 then.
// Code::wrong_secret: counted. Code::throttled: there have been too many.
Result<Held> satisfy(Tpm& tpm, Session& session, const PinSpace& space,
                     const SecretBuffer& stretched);

// Where all is lost but the recovery key.
inline constexpr auto* kRecover = "open the volume with its recovery key, then enroll anew";

}  // namespace pmos::tpm
