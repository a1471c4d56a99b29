// volume: which keyslots a secret that was entered may be tried at, and with which passphrase.
// Every try is judged: counted as wrong before it is made.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "runtime/volume/channel.h"
#include "runtime/volume/factor.h"
#include "runtime/volume/method.h"
#include "runtime/volume/request.h"

namespace pmos::volume {

// What the profile calls a secret that no token speaks of.
std::string_view bare_name(const Request& request);

// Whether it names anything that somebody makes up.
bool takes_secret(const Request& request);

// What a volume is made with where the profile names no secret that is its own passphrase; nullptr:
// it does.
const Method* first_method(const Request& request);

// Whether the profile lets this way open the volume, and the caller asked for it or for none.
bool may_open(const Request& request, const Factor& factor);
// Why the profile does not, for a person; "": it does.
std::string_view refusal(const Request& request, const Factor& factor);

// What is being done, for who shows it; and what somebody may have to do meanwhile.
std::string opening_step(const Request& request, const CryptDevice& crypt,
                         const SecretBuffer& entered, std::string_view doing);

struct Opened {
    int keyslot = -1;
    std::string method;
    std::string not_kept;  // as judge()
};

// Opens by that passphrase of that keyslot, or says Code::wrong_secret.
using TryKeyslot = std::function<Result<void>(int keyslot, std::span<const std::byte> passphrase)>;

// Where nobody was asked (is_unasked), only ways that the machine opens by itself; else only ways
// that may open and that `entered` fits, those with a token first; a keyslot with a token never
// gets what was entered as it is. Code::not_found: the method asked for is not enrolled, or nothing
// typed opens it; not counted. The duress secret, and the wrong one that is one too many, destroy
// the mode's keys (judge.h), which pmosd is told.
Result<Opened> open_judged(const Request& request, const CryptDevice& crypt, Channel& channel,
                           const SecretBuffer& entered, const TryKeyslot& try_keyslot);

}  // namespace pmos::volume
