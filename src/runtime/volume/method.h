// volume: what one method of opening knows: how a secret that was entered becomes the passphrase
// of a keyslot, and how such a keyslot's token comes and goes. Counts nothing, writes no header.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"
#include "runtime/volume/factor.h"
#include "runtime/volume/request.h"

namespace pmos::volume {

struct Enrolled {
    std::string token;  // with "keyslots":[]; "" where the method has none
    SecretBuffer passphrase;
};

// One row of methods(). A method that another file implements adds its row there, and needs
// nothing else: who is counted when, and in which order header and token are written, is decided
// in opening.h and enrollment.h.
struct Method {
    std::string_view name{};  // as profiles have it; "" of the secret that is the passphrase itself
    std::string_view token{};  // its type; "" none

    // The passphrases are random: they cost nothing to derive, for nobody guesses them.
    bool random = false;
    // Enrolling makes a secret that somebody has to keep: it goes to the caller's pipe.
    bool told = false;
    // Enrolling wants a secret that was made up: it comes by the caller's descriptor.
    bool chosen = false;

    // The machine gives the passphrase out by itself: nothing is entered, and what is is none of
    // it.
    bool alone = false;

    // A volume may have more than one of it.
    bool several = false;

    // Each wrong one is counted elsewhere as well, repeats too: tried last, and none that was wrong
    // there before.
    bool counts = false;

    // What somebody has to do while it is tried or enrolled, beside entering a secret.
    std::string_view asks{};

    // Whether `entered` can be one of this method at all: what is not is not tried. Not of those
    // that are `alone`.
    bool (*fits)(const SecretBuffer& entered) = nullptr;
    // Code::wrong_secret: the method knows by itself that it is wrong. Other errors say nothing of
    // the secret. nullptr: nothing typed opens it.
    Result<SecretBuffer> (*passphrase)(const Request& request, const CryptDevice& crypt,
                                       const Factor& factor, const SecretBuffer& entered) = nullptr;
    // What one guess takes before there is a passphrase. nullptr, empty: nothing.
    std::optional<KeyslotCost> (*cost)(const Factor& factor) = nullptr;
    // What is known outside the header, for a person. nullptr: nothing.
    Result<std::string> (*state)(const Factor& factor) = nullptr;
    // chosen: the secret that was made up, nullptr where none is. What is made outside the header
    // must be found again by the next call after one that was cut short.
    Result<Enrolled> (*enroll)(const Request& request, const CryptDevice& crypt,
                               const SecretBuffer* chosen) = nullptr;
    // What is outside the header goes, before the keyslot does. Nothing there is a success.
    // nullptr: there is nothing.
    Result<void> (*destroy)(const Request& request, const std::string& token) = nullptr;
};

std::span<const Method> methods();
const Method* method_of_token(std::string_view type);  // nullptr: unknown
// systemd has one type of token for two methods.
const Method* method_of(const Factor& factor);
const Method* method_of_name(std::string_view name);  // nullptr: unknown
const Method& bare_method();

// What is outside the header for this token, of whatever type: goes. Nothing there is a success.
Result<void> destroy_outside(const Request& request, const std::string& type,
                             const std::string& token);

Result<SecretBuffer> copy_secret(std::span<const std::byte> secret);

// In recovery.cpp, escrow.cpp, tpm_pin.cpp, systemd_tpm.cpp, tpm_alone.cpp and fido2.cpp.
extern const Method kRecovery, kEscrow, kTpmPin, kSystemdTpm, kTpmAlone, kFido2;

}  // namespace pmos::volume
