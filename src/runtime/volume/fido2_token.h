// volume: the token of a keyslot that a FIDO2 authenticator opens, as systemd-cryptenroll(1) writes
// and reads it. Text and values: asks no authenticator, holds no secret.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pmos::volume {

inline constexpr std::string_view kFido2Token = "systemd-fido2";

struct Fido2Token {
    static constexpr std::size_t kSaltBytes = 32;

    std::vector<unsigned char> credential;  // its id; nothing of it is secret
    std::vector<unsigned char> salt;        // what the authenticator's key is applied to
    std::string rp = "io.systemd.cryptsetup";
    // What the authenticator was asked for when it was enrolled. Its answer is another one without.
    bool pin = true, touch = true, verification = false;

    std::string text() const;  // with "keyslots":[]
    // Code::failed: it is damaged.
    static Result<Fido2Token> parse(const std::string& json);
};

}  // namespace pmos::volume
