// volume: every secret that a person enters is judged here: counted as wrong before it is tried.
// Never tries one while a delay runs.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "runtime/volume/crypt.h"
#include "runtime/volume/repeats.h"
#include "runtime/volume/request.h"
#include "runtime/volume/secret_hash.h"

namespace pmos::volume {

// What stands around a volume's secret beside the volume itself; guard_of() of duress.h and
// open_judged() make it. A secret is one whatever it is tried at: what a person types is the duress
// secret, a repeat or one too many also where a recovery key or a TPM is asked.
struct Guard {
    // Of one guess; without it every wrong secret counts, also one that was wrong before.
    std::optional<KeyslotCost> cost;
    // Of the duress secret.
    std::optional<HashBytes> salt, duress;
    std::uint32_t erase_after = 0;  // so many counted wrong ones destroy as it does; 0: never
    std::function<void()> destroy;  // must be over, on the storage, when it returns
    // After the last derivation a wrong secret is answered then, whatever there was to be done; if
    // it was longer, at a multiple of it.
    std::chrono::milliseconds answer_after{500};
};

// try_it opens with the secret, or says Code::wrong_secret and, by its argument, where. What comes
// back of one that is right is
// "", or what could not be kept beside it. Code::throttled: not tried. A device key is not counted:
// nobody guesses 64 random bytes. The duress secret, and the wrong one that is one too many, are
// refused as any other wrong one, in words, count and time, once the volume is destroyed; so is the
// duress secret where none could be tried.
Result<std::string> judge(const Request& request, const SecretBuffer& secret, const Guard& guard,
                          const std::function<Result<void>(Keyslots& wrong_at)>& try_it);

// Where it was wrong before, if it is one of the last: for a way that has to count each by itself.
Result<Keyslots> wrong_before(const Request& request, const Guard& guard,
                              const SecretBuffer& secret);

// The count of a mode whose volume is being made; also one that could not be read any more.
Result<void> begin_count(const Request& request);

}  // namespace pmos::volume
