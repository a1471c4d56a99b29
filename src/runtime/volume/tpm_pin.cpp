// volume: the method "tpm2+pin" against a TPM that the caller has opened. Counts nothing itself:
// the TPM does, beside what judge.h does.
#include "runtime/volume/tpm_pin.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <chrono>

#include "runtime/tpm/pin_key.h"
#include "runtime/volume/cost.h"
#include "runtime/volume/recovery.h"
#include "runtime/volume/stretch.h"
#include "runtime/volume/tpm_token.h"

namespace pmos::volume {
namespace tpm_pin {
namespace {

Result<SecretBuffer> stretched(const SecretBuffer& pin, const TpmToken& token) {
    PMOS_ASSIGN(auto out, SecretBuffer::make(tpm::kStretchedBytes));
    PMOS_TRY(
        stretch(pin.bytes(), token.salt, token.cost, out.storage().first(tpm::kStretchedBytes)));
    out.set_size(tpm::kStretchedBytes);
    return out;
}

// What an enrolment that was cut short before it had its token has left in the TPM.
Result<void> clear_orphans(tpm::Tpm& tpm, const CryptDevice& crypt) {
    PMOS_ASSIGN(const auto found, tpm::shares_of(tpm, crypt.uuid()));
    const auto tokens = crypt.tokens();
    for (const auto& space : found) {
        const bool known = std::ranges::any_of(tokens, [&](const CryptDevice::Token& t) {
            const auto token = TpmToken::parse(t.json);
            return token && token->share.space.handle == space.handle;
        });
        if (!known) PMOS_TRY(tpm::destroy_share(tpm, space));
    }
    return {};
}

// Argon2 whatever the profile says: the TPM's own derivations cost nothing.
Result<KeyslotCost> cost_for(const Request& request, const CryptDevice& crypt) {
    PbkdfCost cost = cost_of(request);
    if (!cost.type.starts_with("argon2")) cost.type = "argon2id";
    return crypt.measured(cost);
}

}  // namespace

Result<SecretBuffer> passphrase(tpm::Tpm& tpm, const std::string& json,
                                const SecretBuffer& entered) {
    PMOS_ASSIGN(const auto token, TpmToken::parse(json));
    PMOS_ASSIGN(const auto key, stretched(entered, token));
    PMOS_ASSIGN(const auto share, tpm::open_share(tpm, token.share, key));
    return tpm::keyslot_secret(share, key);
}

Result<Enrolled> enroll(tpm::Tpm& tpm, const Request& request, const CryptDevice& crypt,
                        const SecretBuffer& chosen) {
    PMOS_TRY(clear_orphans(tpm, crypt));
    TpmToken token;
    randombytes_buf(token.salt.data(), token.salt.size());
    PMOS_ASSIGN(token.cost, cost_for(request, crypt));
    PMOS_ASSIGN(const auto key, stretched(chosen, token));
    PMOS_ASSIGN(auto made, tpm::make_share(tpm, crypt.uuid(), key));
    token.share = std::move(made.share);
    auto secret = tpm::keyslot_secret(made.bytes, key);
    if (secret) return Enrolled{token.text(), std::move(*secret)};
    Error cause = std::move(secret.error());
    if (auto undone = tpm::destroy_share(tpm, token.share.space); !undone)
        cause.undo_failures.push_back(std::move(undone.error()));
    return fail(std::move(cause));
}

Result<void> destroy(tpm::Tpm& tpm, const std::string& json) {
    PMOS_ASSIGN(const auto token, TpmToken::parse(json));
    return tpm::destroy_share(tpm, token.share.space);
}

Result<std::string> state(tpm::Tpm& tpm, const std::string& json) {
    PMOS_ASSIGN(const auto token, TpmToken::parse(json));
    PMOS_ASSIGN(const auto count, tpm::share_state(tpm, token.share));
    if (!count.there) return std::string("the TPM has its share no more");
    if (count.failures >= count.limit) return std::string("the TPM accepts no PIN any more");
    return fmt::format("{} of {} wrong PINs", count.failures, count.limit);
}

}  // namespace tpm_pin

namespace {

// A driver may come after pmosd; that there is a TPM is known.
constexpr std::chrono::seconds kComesLate{5};

Result<tpm::Tpm> open_tpm() { return tpm::Tpm::open(tpm::kDevice, kComesLate); }

bool fits(const SecretBuffer& entered) { return !normal_recovery_key(entered); }

Result<SecretBuffer> passphrase(const Request&, const CryptDevice&, const Factor& factor,
                                const SecretBuffer& entered) {
    PMOS_ASSIGN(auto tpm, open_tpm());
    return tpm_pin::passphrase(tpm, factor.json, entered);
}

Result<Enrolled> enroll(const Request& request, const CryptDevice& crypt,
                        const SecretBuffer* chosen) {
    if (chosen == nullptr) return fail(Code::usage, "no new PIN was given");
    PMOS_ASSIGN(auto tpm, open_tpm());
    return tpm_pin::enroll(tpm, request, crypt, *chosen);
}

Result<void> destroy(const Request&, const std::string& json) {
    PMOS_ASSIGN(auto tpm, open_tpm());
    return tpm_pin::destroy(tpm, json);
}

std::optional<KeyslotCost> cost(const Factor& factor) {
    const auto token = TpmToken::parse(factor.json);
    return token ? std::optional(token->cost) : std::nullopt;
}

Result<std::string> state(const Factor& factor) {
    PMOS_ASSIGN(auto tpm, open_tpm());
    return tpm_pin::state(tpm, factor.json);
}

}  // namespace

const Method kTpmPin{.name = "tpm2+pin",
                     .token = kTpmToken,
                     .random = true,
                     .chosen = true,
                     .counts = true,
                     .fits = fits,
                     .passphrase = passphrase,
                     .cost = cost,
                     .state = state,
                     .enroll = enroll,
                     .destroy = destroy};

}  // namespace pmos::volume
