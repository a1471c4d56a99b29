// tpm: what the two NV indices that keep a share behind a PIN look like. Values only: talks to no
// TPM, holds no secret.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace pmos::tpm {

// The first of a pair is a PIN index (TPM 2.0, Part 1, 37.2.6): it counts failures of its
// authorisation itself, goes back to 0 when one succeeds, and knows no success any more at the
// limit. The second has the share, and gives it out by this policy only:
//   - PolicySecret of the first, whose Name is in the policy's digest. That is the limit.
//   - PolicyAuthValue: its own authorisation, from the same PIN, with the dictionary attack
//     protection of the TPM. For a Name says what an index looks like, not what authorises it: who
//     commands the owner's hierarchy can make the first anew with a PIN and a limit of his own.
//     Then he has the TPM's lockout before him, as with systemd's tokens, not nothing.
// The first is written once, while it is made: its count is set back by nobody.
inline constexpr std::uint32_t kPinLimit = 20;
inline constexpr std::uint16_t kShareBytes = 32;

// Of the owner's range (TCG registry of handles: 0x01800000 to 0x01bfffff); a pair begins at an
// even one.
inline constexpr TPM2_HANDLE kFirstPin = 0x01807100, kLastPin = 0x018071ff;

using Digest = std::array<std::byte, 32>;  // SHA-256

// Whose pair it is: what a LUKS2 header has as its UUID. Part of the first index's policy, so that
// what was left behind is known for one's own and nobody else's is ever removed.
struct PinSpace {
    TPM2_HANDLE handle = 0;
    std::string owner;

    TPM2_HANDLE share_handle() const { return handle + 1; }
};
bool is_pin_handle(TPM2_HANDLE handle);

// As they are once written; their Names follow from it.
TPMS_NV_PUBLIC count_public(const PinSpace& space);
TPMS_NV_PUBLIC share_public(const PinSpace& space);
TPM2B_NAME name_of(const TPMS_NV_PUBLIC& index);

// The branches of the policy to write the first: not yet written, or never.
TPML_DIGEST count_branches(const std::string& owner);

}  // namespace pmos::tpm
