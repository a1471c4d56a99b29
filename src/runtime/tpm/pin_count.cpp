// tpm: the count of wrong PINs that the TPM keeps: made, read, and asked whether a PIN is right.
#include "runtime/tpm/pin_count.h"

#include <fmt/format.h>

#include <array>

#include "base/text.h"
#include "runtime/tpm/pin_index.h"
#include "runtime/tpm/pin_key.h"

namespace pmos::tpm {
namespace {

constexpr auto kNone = ESYS_TR_NONE;

Result<> do_policy(TSS2_RC rc) {
    if (rc == TSS2_RC_SUCCESS) return {};
    return fail(tpm_error(rc, "cannot take a step of the TPM's policy"));
}

// Of a right PIN the first index is satisfied, and has its count back at 0.
Result<> prove(Tpm& tpm, Session& session, const PinSpace& space, const SecretBuffer& stretched,
               ESYS_TR policy) {
    PMOS_ASSIGN(auto count, PinIndex::find(tpm, count_public(space)));
    PMOS_ASSIGN(const auto authorisation, derive(stretched, Use::count));
    PMOS_TRY(count.authorise(authorisation.bytes()));
    PMOS_ASSIGN(const ESYS_TR proof, session.proof(Hides::nothing));
    const auto rc = patiently([&] {
        return Esys_PolicySecret(tpm.get(), count.get(), policy, proof, kNone, kNone, nullptr,
                                 nullptr, nullptr, 0, nullptr, nullptr);
    });
    const auto answer = bare(rc);
    if (answer == TPM2_RC_AUTH_UNAVAILABLE)
        return fail(Code::throttled, "the TPM gives the volume's share to no PIN any more",
                    fmt::format("{} in a row were wrong", kPinLimit), kRecover);
    if (answer != TPM2_RC_BAD_AUTH && answer != TPM2_RC_AUTH_FAIL) return do_policy(rc);
    const auto state = read_count(tpm, session, space);
    // It was wrong, whether or not that can be told in numbers.
    if (!state) return fail(Code::wrong_secret, "PIN refused", state.error().message());
    const auto left = state->limit > state->failures ? state->limit - state->failures : 0;
    return fail(Code::wrong_secret, "PIN refused",
                fmt::format("the TPM leaves {}", counted(left, "attempt")));
}

}  // namespace

Result<PinState> read_count(Tpm& tpm, Session& session, const PinSpace& space) {
    PMOS_ASSIGN(const auto index, PinIndex::find(tpm, count_public(space)));
    PMOS_ASSIGN(const ESYS_TR owner, session.proof(Hides::nothing));
    TPM2B_MAX_NV_BUFFER* data = nullptr;
    constexpr std::uint16_t kSize = sizeof(TPMS_NV_PIN_COUNTER_PARAMETERS);
    const auto rc = patiently([&] {
        return Esys_NV_Read(tpm.get(), ESYS_TR_RH_OWNER, index.get(), owner, kNone, kNone, kSize, 0,
                            &data);
    });
    if (rc != TSS2_RC_SUCCESS) return fail(tpm_error(rc, "cannot read " + index.what()));
    const TssPtr<TPM2B_MAX_NV_BUFFER> owned(data);
    const auto number = [&](std::size_t at) {
        std::uint32_t value = 0;
        for (std::size_t i = at; i < at + 4; ++i) value = value << 8U | data->buffer[i];
        return value;
    };
    if (data->size != kSize)
        return fail(Code::failed, "cannot read " + index.what(), "it has another size");
    return PinState{true, number(0), number(4)};
}

Result<Held> satisfy(Tpm& tpm, Session& session, const PinSpace& space,
                     const SecretBuffer& stretched) {
    PMOS_ASSIGN(auto policy, session.policy());
    PMOS_TRY(prove(tpm, session, space, stretched, policy.get()));
    PMOS_TRY(do_policy(patiently(
        [&] { return Esys_PolicyAuthValue(tpm.get(), policy.get(), kNone, kNone, kNone); })));
    return policy;
}

Result<> make_count(Tpm& tpm, Session& session, const PinSpace& space,
                    const SecretBuffer& stretched) {
    PMOS_ASSIGN(const auto authorisation, derive(stretched, Use::count));
    PMOS_ASSIGN(auto count,
                PinIndex::define(tpm, session, count_public(space), authorisation.bytes()));
    PMOS_ASSIGN(const auto policy, session.policy());
    const auto branches = count_branches(space.owner);
    PMOS_TRY(do_policy(patiently([&] {
        return Esys_PolicyNvWritten(tpm.get(), policy.get(), kNone, kNone, kNone, TPM2_NO);
    })));
    PMOS_TRY(do_policy(patiently(
        [&] { return Esys_PolicyOR(tpm.get(), policy.get(), kNone, kNone, kNone, &branches); })));
    // No failures, then the limit; each its highest byte first.
    constexpr std::array<std::byte, 8> kFresh{
        {{}, {}, {}, {}, {}, {}, {}, static_cast<std::byte>(kPinLimit)}};
    return count.write(policy.get(), kFresh);
}

}  // namespace pmos::tpm
