// volume: every secret that a person enters is judged here: counted as wrong before it is tried.
// Never tries one while a delay runs.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "runtime/volume/crypt.h"
#include "runtime/volume/request.h"

namespace pmos::volume {

// try_it opens with the secret, or says Code::wrong_secret. What comes back of one that is right is
// "", or what could not be kept beside it. Code::throttled: not tried. cost: of the volume's
// keyslot; without one every wrong secret counts, also one that was wrong before. A device key is
// not counted: nobody guesses 64 random bytes.
Result<std::string> judge(const Request& request, const SecretBuffer& secret,
                          const std::optional<KeyslotCost>& cost,
                          const std::function<Result<void>()>& try_it);

// The count of a mode whose volume is being made; also one that could not be read any more.
Result<void> begin_count(const Request& request);

}  // namespace pmos::volume
