// tpm: a secret that only this TPM opens again, in the form that systemd 252 has in its LUKS2
// tokens. Keeps nothing: what is sealed lies where the caller puts it.
#include "runtime/tpm/sealed.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sodium.h>
#include <tss2/tss2_mu.h>

#include <array>
#include <vector>

namespace pmos::tpm {
namespace {

constexpr auto kNone = ESYS_TR_NONE;
constexpr std::size_t kSecretBytes = 32;

std::unexpected<Error> refused(TSS2_RC rc) {
    return fail(tpm_error(rc, "cannot seal a secret with the TPM"));
}

TPML_PCR_SELECTION selection_of(PcrMask pcrs) {
    TPML_PCR_SELECTION selection{};
    selection.count = 1;
    auto& bank = selection.pcrSelections[0];
    bank.hash = TPM2_ALG_SHA256;
    bank.sizeofSelect = 3;
    for (std::size_t i = 0; i < bank.sizeofSelect; ++i)
        bank.pcrSelect[i] = static_cast<std::uint8_t>(pcrs >> (8 * i) & 0xffU);
    return selection;
}

// systemd's order: the PCRs, then the PIN.
Result<TPM2B_DIGEST> policy_of(Tpm& tpm, const Session& session, PcrMask pcrs, bool pin) {
    PMOS_ASSIGN(const auto policy, session.policy());
    if (pcrs != 0) {
        const auto selection = selection_of(pcrs);
        const auto rc = patiently([&] {
            return Esys_PolicyPCR(tpm.get(), policy.get(), kNone, kNone, kNone, nullptr,
                                  &selection);
        });
        if (rc != TSS2_RC_SUCCESS) return refused(rc);
    }
    if (pin) {
        const auto rc = patiently(
            [&] { return Esys_PolicyAuthValue(tpm.get(), policy.get(), kNone, kNone, kNone); });
        if (rc != TSS2_RC_SUCCESS) return refused(rc);
    }
    TPM2B_DIGEST* digest = nullptr;
    const auto rc = patiently([&] {
        return Esys_PolicyGetDigest(tpm.get(), policy.get(), kNone, kNone, kNone, &digest);
    });
    if (rc != TSS2_RC_SUCCESS) return refused(rc);
    const TssPtr<TPM2B_DIGEST> owned(digest);
    return *digest;
}

TPM2B_PUBLIC sealed_object(const TPM2B_DIGEST& policy) {
    TPM2B_PUBLIC object{};
    auto& area = object.publicArea;
    area.type = TPM2_ALG_KEYEDHASH;
    area.nameAlg = TPM2_ALG_SHA256;
    area.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT;
    area.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL;
    area.authPolicy = policy;
    return object;
}

// For the time of one call.
struct Sensitive {
    TPM2B_SENSITIVE_CREATE value{};

    Sensitive(const SecretBuffer& secret, const SecretBuffer* pin) {
        auto& data = value.sensitive.data;
        data.size = static_cast<std::uint16_t>(secret.bytes().size());
        std::ranges::copy(secret.bytes(), std::as_writable_bytes(std::span(data.buffer)).begin());
        if (pin == nullptr) return;
        auto& auth = value.sensitive.userAuth;
        auth.size = crypto_hash_sha256_BYTES;
        crypto_hash_sha256(auth.buffer, reinterpret_cast<const unsigned char*>(pin->bytes().data()),
                           pin->bytes().size());
        // A TPM takes trailing zeros off what authorises, and systemd 252 does not put them back.
        while (auth.size > 0 && auth.buffer[auth.size - 1] == 0) --auth.size;
    }
    ~Sensitive() { sodium_memzero(&value, sizeof value); }
    Sensitive(const Sensitive&) = delete;
    Sensitive& operator=(const Sensitive&) = delete;
};

// The private part, which only the TPM can read, and the public one.
Result<std::vector<std::uint8_t>> create(Tpm& tpm, Session& session, const TPM2B_DIGEST& policy,
                                         const SecretBuffer& secret, const SecretBuffer* pin) {
    const Sensitive sensitive(secret, pin);
    const auto object = sealed_object(policy);
    const TPM2B_DATA no_data{};
    const TPML_PCR_SELECTION no_pcrs{};
    PMOS_ASSIGN(const ESYS_TR proof, session.proof(Hides::command));
    TPM2B_PRIVATE* hidden = nullptr;
    TPM2B_PUBLIC* open = nullptr;
    auto rc = patiently([&] {
        return Esys_Create(tpm.get(), session.primary(), proof, kNone, kNone, &sensitive.value,
                           &object, &no_data, &no_pcrs, &hidden, &open, nullptr, nullptr, nullptr);
    });
    if (rc != TSS2_RC_SUCCESS) return refused(rc);
    const TssPtr<TPM2B_PRIVATE> owned_hidden(hidden);
    const TssPtr<TPM2B_PUBLIC> owned_open(open);
    std::vector<std::uint8_t> blob(sizeof *hidden + sizeof *open);
    std::size_t size = 0;
    rc = Tss2_MU_TPM2B_PRIVATE_Marshal(hidden, blob.data(), blob.size(), &size);
    if (rc == TSS2_RC_SUCCESS)
        rc = Tss2_MU_TPM2B_PUBLIC_Marshal(open, blob.data(), blob.size(), &size);
    if (rc != TSS2_RC_SUCCESS) return refused(rc);
    blob.resize(size);
    return blob;
}

template <class Text>
void to_base64(std::span<const unsigned char> bytes, Text* out, std::size_t room) {
    sodium_bin2base64(reinterpret_cast<char*>(out), room, bytes.data(), bytes.size(),
                      sodium_base64_VARIANT_ORIGINAL);
}

std::string hex(const TPM2B_DIGEST& digest) {
    return fmt::format("{:02x}", fmt::join(std::span(digest.buffer, digest.size), ""));
}

std::string token_of(std::span<const std::uint8_t> blob, const TPM2B_DIGEST& policy, PcrMask pcrs,
                     bool pin) {
    std::string base64(sodium_base64_ENCODED_LEN(blob.size(), sodium_base64_VARIANT_ORIGINAL), ' ');
    to_base64(blob, base64.data(), base64.size());
    base64.pop_back();  // the NUL
    std::vector<int> numbers;
    for (int i = 0; i < 24; ++i)
        if ((pcrs >> i & 1U) != 0) numbers.push_back(i);
    return fmt::format(
        R"({{"type":"systemd-tpm2","keyslots":[],"tpm2-blob":"{}","tpm2-pcrs":[{}],)"
        R"("tpm2-pcr-bank":"sha256","tpm2-primary-alg":"ecc","tpm2-policy-hash":"{}",)"
        R"("tpm2-pin":{}}})",
        base64, fmt::join(numbers, ","), hex(policy), pin);
}

}  // namespace

Result<std::string> policy_now(Tpm& tpm, PcrMask pcrs) {
    PMOS_ASSIGN(const auto session, Session::start(tpm, std::nullopt));
    PMOS_ASSIGN(const auto policy, policy_of(tpm, session, pcrs, false));
    return hex(policy);
}

Result<Sealed> seal_passphrase(Tpm& tpm, PcrMask pcrs, const SecretBuffer* pin) {
    if ((pcrs & ~kAllPcrs) != 0) return fail(Code::usage, "a TPM has the PCRs 0 to 23");
    PMOS_ASSIGN(auto session, Session::start(tpm, std::nullopt));
    PMOS_ASSIGN(const auto policy, policy_of(tpm, session, pcrs, pin != nullptr));
    PMOS_ASSIGN(auto secret, SecretBuffer::make(kSecretBytes));
    randombytes_buf(secret.storage().data(), kSecretBytes);
    secret.set_size(kSecretBytes);
    PMOS_ASSIGN(const auto blob, create(tpm, session, policy, secret, pin));
    constexpr std::size_t kRoom =
        sodium_base64_ENCODED_LEN(kSecretBytes, sodium_base64_VARIANT_ORIGINAL);
    PMOS_ASSIGN(auto passphrase, SecretBuffer::make(kRoom));
    to_base64({reinterpret_cast<const unsigned char*>(secret.bytes().data()), kSecretBytes},
              passphrase.storage().data(), kRoom);
    passphrase.set_size(kRoom - 1);
    return Sealed{token_of(blob, policy, pcrs, pin != nullptr), std::move(passphrase)};
}

}  // namespace pmos::tpm
