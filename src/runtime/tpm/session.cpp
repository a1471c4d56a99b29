// tpm: a conversation that who listens between processor and TPM does not understand, and who
// stands between them cannot change. Keeps no secret of its own.
#include "runtime/tpm/session.h"

#include <algorithm>
#include <span>

namespace pmos::tpm {
namespace {

constexpr auto kNone = ESYS_TR_NONE;

// As systemd 252 has its own: what is sealed below it opens by either.
TPM2B_PUBLIC storage_key() {
    TPM2B_PUBLIC key{};
    auto& area = key.publicArea;
    area.type = TPM2_ALG_ECC;
    area.nameAlg = TPM2_ALG_SHA256;
    area.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                            TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                            TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;
    auto& ecc = area.parameters.eccDetail;
    ecc.symmetric.algorithm = TPM2_ALG_AES;
    ecc.symmetric.keyBits.aes = 128;
    ecc.symmetric.mode.aes = TPM2_ALG_CFB;
    ecc.scheme.scheme = TPM2_ALG_NULL;
    ecc.curveID = TPM2_ECC_NIST_P256;
    ecc.kdf.scheme = TPM2_ALG_NULL;
    return key;
}

Result<Held> make_primary(Tpm& tpm) {
    const TPM2B_SENSITIVE_CREATE no_password{};
    const TPM2B_PUBLIC wanted = storage_key();
    const TPM2B_DATA no_data{};
    const TPML_PCR_SELECTION no_pcrs{};
    ESYS_TR made = kNone;
    const auto rc = patiently([&] {
        return Esys_CreatePrimary(tpm.get(), ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, kNone, kNone,
                                  &no_password, &wanted, &no_data, &no_pcrs, &made, nullptr,
                                  nullptr, nullptr, nullptr);
    });
    if (rc == TSS2_RC_SUCCESS) return Held(tpm, made);
    auto error = tpm_error(rc, "cannot have the TPM make its key");
    if (bare(rc) == TPM2_RC_BAD_AUTH || bare(rc) == TPM2_RC_AUTH_FAIL)
        error.fix = "the TPM's owner hierarchy has a password: tpm2_changeauth -c owner -p OLD ''";
    return fail(std::move(error));
}

Result<KeyName> name_of(Tpm& tpm, const Held& key) {
    TPM2B_NAME* found = nullptr;
    const auto rc = Esys_TR_GetName(tpm.get(), key.get(), &found);
    if (rc != TSS2_RC_SUCCESS) return fail(tpm_error(rc, "cannot name the TPM's key"));
    const TssPtr<TPM2B_NAME> owned(found);
    KeyName name{};
    constexpr std::size_t kAlgorithm = 2;  // before the digest
    if (found->size != kAlgorithm + name.size())
        return fail(Code::failed, "cannot name the TPM's key", "it is not of SHA-256");
    std::ranges::copy(std::as_bytes(std::span(found->name + kAlgorithm, name.size())),
                      name.begin());
    return name;
}

Result<Held> start_session(Tpm& tpm, const Held& primary, TPM2_SE type) {
    TPMT_SYM_DEF symmetric{};
    symmetric.algorithm = TPM2_ALG_AES;
    symmetric.keyBits.aes = 128;
    symmetric.mode.aes = TPM2_ALG_CFB;
    ESYS_TR session = kNone;
    const auto rc = patiently([&] {
        return Esys_StartAuthSession(tpm.get(), primary.get(), kNone, kNone, kNone, kNone, nullptr,
                                     type, &symmetric, TPM2_ALG_SHA256, &session);
    });
    if (rc != TSS2_RC_SUCCESS) return fail(tpm_error(rc, "cannot begin a session with the TPM"));
    return Held(tpm, session);
}

}  // namespace

Result<Session> Session::start(Tpm& tpm, const std::optional<KeyName>& known) {
    PMOS_ASSIGN(auto primary, make_primary(tpm));
    PMOS_ASSIGN(const KeyName key, name_of(tpm, primary));
    if (known && *known != key)
        return fail(
            Code::not_found, "the TPM is not the one that has the volume's share",
            "its key is another one: it was cleared, exchanged, or something stands before it",
            "open the volume with its recovery key, then enroll anew");
    PMOS_ASSIGN(auto proof, start_session(tpm, primary, TPM2_SE_HMAC));
    return Session(tpm, std::move(primary), key, std::move(proof));
}

Result<> Session::hide(Tpm& tpm, ESYS_TR session, Hides hides) {
    TPMA_SESSION flags = TPMA_SESSION_CONTINUESESSION;
    if (hides == Hides::command) flags |= TPMA_SESSION_DECRYPT;
    if (hides == Hides::answer) flags |= TPMA_SESSION_ENCRYPT;
    const auto rc = Esys_TRSess_SetAttributes(tpm.get(), session, flags, 0xff);
    if (rc == TSS2_RC_SUCCESS) return {};
    return fail(tpm_error(rc, "cannot set up a session with the TPM"));
}

Result<ESYS_TR> Session::proof(Hides hides) {
    PMOS_TRY(hide(*tpm_, proof_.get(), hides));
    return proof_.get();
}

Result<Held> Session::policy() const { return start_session(*tpm_, primary_, TPM2_SE_POLICY); }

}  // namespace pmos::tpm
