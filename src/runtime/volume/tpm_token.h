// volume: the token of a keyslot that a PIN opens with the TPM's help. Text and values: asks no
// TPM, holds no secret.
#pragma once

#include <array>
#include <string>

#include "base/result.h"
#include "runtime/tpm/pin_share.h"
#include "runtime/volume/crypt.h"

namespace pmos::volume {

inline constexpr std::string_view kTpmToken = "pmos-tpm";

struct TpmToken {
    tpm::PinShare share;
    std::array<std::byte, 32> salt{};
    KeyslotCost cost;  // of stretching the PIN

    std::string text() const;  // with "keyslots":[]
    // Code::failed: it is damaged, or of a later version of pmos. Bounds what it costs to use one:
    // a header may say anything.
    static Result<TpmToken> parse(const std::string& json);
};

}  // namespace pmos::volume
