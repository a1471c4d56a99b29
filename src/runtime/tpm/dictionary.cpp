// tpm: who may lift the TPM's lockout after wrong secrets: nobody. Never takes over one that is in
// somebody's hands.
#include "runtime/tpm/dictionary.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>

namespace pmos::tpm {
namespace {

constexpr auto kNone = ESYS_TR_NONE;
constexpr std::uint32_t kTries = 32, kForgetAfter = 600;  // seconds

Result<std::uint32_t> property(Tpm& tpm, TPM2_PT which) {
    TPMI_YES_NO more = TPM2_NO;
    TPMS_CAPABILITY_DATA* found = nullptr;
    const auto rc = patiently([&] {
        return Esys_GetCapability(tpm.get(), kNone, kNone, kNone, TPM2_CAP_TPM_PROPERTIES, which, 1,
                                  &more, &found);
    });
    if (rc != TSS2_RC_SUCCESS) return fail(tpm_error(rc, "cannot ask the TPM for its lockout"));
    const TssPtr<TPMS_CAPABILITY_DATA> owned(found);
    const auto& properties = found->data.tpmProperties;
    if (properties.count < 1 || properties.tpmProperty[0].property != which)
        return fail(Code::failed, "cannot ask the TPM for its lockout",
                    fmt::format("it has no property {:#x}", which));
    return properties.tpmProperty[0].value;
}

Result<> set_parameters(Tpm& tpm, Session& session) {
    PMOS_ASSIGN(const auto interval, property(tpm, TPM2_PT_LOCKOUT_INTERVAL));
    PMOS_ASSIGN(const auto recovery, property(tpm, TPM2_PT_LOCKOUT_RECOVERY));
    PMOS_ASSIGN(const ESYS_TR proof, session.proof(Hides::nothing));
    const auto rc = patiently([&] {
        return Esys_DictionaryAttackParameters(tpm.get(), ESYS_TR_RH_LOCKOUT, proof, kNone, kNone,
                                               kTries, std::max(interval, kForgetAfter), recovery);
    });
    if (rc == TSS2_RC_SUCCESS) return {};
    return fail(tpm_error(rc, "cannot set the TPM's lockout"));
}

}  // namespace

Result<bool> shut_lockout(Tpm& tpm, Session& session) {
    PMOS_ASSIGN(const auto permanent, property(tpm, TPM2_PT_PERMANENT));
    if ((permanent & TPMA_PERMANENT_LOCKOUTAUTHSET) != 0) return false;
    PMOS_TRY(set_parameters(tpm, session));
    PMOS_ASSIGN(const ESYS_TR proof, session.proof(Hides::command));
    TPM2B_AUTH password{};
    password.size = TPM2_SHA256_DIGEST_SIZE;
    randombytes_buf(password.buffer, password.size);
    const auto rc = patiently([&] {
        return Esys_HierarchyChangeAuth(tpm.get(), ESYS_TR_RH_LOCKOUT, proof, kNone, kNone,
                                        &password);
    });
    sodium_memzero(&password, sizeof password);
    if (rc != TSS2_RC_SUCCESS) return fail(tpm_error(rc, "cannot set the TPM's lockout password"));
    return true;
}

}  // namespace pmos::tpm
