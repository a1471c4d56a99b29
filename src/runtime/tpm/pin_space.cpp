// tpm: what the two NV indices that keep a share behind a PIN look like. Values only: talks to no
// TPM, holds no secret.
#include "runtime/tpm/pin_space.h"

#include <sodium.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string_view>

namespace pmos::tpm {
namespace {

constexpr std::string_view kOwnerLabel = "pmos-pin-owner:";

// What a TPM hashes: numbers with their highest byte first.
class Hashed {
  public:
    Hashed() { crypto_hash_sha256_init(&state_); }
    template <class T>
    Hashed& number(T value) {
        std::array<std::uint8_t, sizeof(T)> bytes{};
        for (std::size_t i = bytes.size(); i-- > 0; value = static_cast<T>(value >> 8U))
            bytes[i] = static_cast<std::uint8_t>(value & 0xffU);
        return add(std::as_bytes(std::span(bytes)));
    }
    Hashed& byte(std::uint8_t value) { return add(std::as_bytes(std::span(&value, 1))); }
    Hashed& add(std::span<const std::byte> bytes) {
        crypto_hash_sha256_update(&state_, reinterpret_cast<const unsigned char*>(bytes.data()),
                                  bytes.size());
        return *this;
    }
    Digest end() {
        Digest digest{};
        crypto_hash_sha256_final(&state_, reinterpret_cast<unsigned char*>(digest.data()));
        return digest;
    }

  private:
    crypto_hash_sha256_state state_{};
};

TPM2B_DIGEST as_tpm2b(const Digest& digest) {
    TPM2B_DIGEST out{};
    out.size = TPM2_SHA256_DIGEST_SIZE;
    std::memcpy(out.buffer, digest.data(), digest.size());
    return out;
}

template <class T>
std::span<const std::byte> contents(const T& tpm2b) {
    return std::as_bytes(std::span(tpm2b.buffer, tpm2b.size));
}

TPM2B_DIGEST not_yet_written() {
    return as_tpm2b(
        Hashed().add(Digest{}).number<std::uint32_t>(TPM2_CC_PolicyNvWritten).byte(0).end());
}

// A hash of nothing that a policy session can come to.
TPM2B_DIGEST never(const std::string& owner) {
    return as_tpm2b(Hashed()
                        .add(std::as_bytes(std::span(kOwnerLabel)))
                        .add(std::as_bytes(std::span(owner)))
                        .end());
}

TPM2B_DIGEST count_policy(const std::string& owner) {
    const auto branches = count_branches(owner);
    Hashed policy;
    policy.add(Digest{}).number<std::uint32_t>(TPM2_CC_PolicyOR);
    for (const auto& branch : std::span(branches.digests, branches.count))
        policy.add(contents(branch));
    return as_tpm2b(policy.end());
}

TPM2B_DIGEST share_policy(const TPM2B_NAME& count) {
    const auto secret = Hashed()
                            .add(Digest{})
                            .number<std::uint32_t>(TPM2_CC_PolicySecret)
                            .add(std::as_bytes(std::span(count.name, count.size)))
                            .end();
    // The reference of PolicySecret, which is empty, is hashed in a second step.
    const auto without_reference = Hashed().add(secret).end();
    return as_tpm2b(
        Hashed().add(without_reference).number<std::uint32_t>(TPM2_CC_PolicyAuthValue).end());
}

}  // namespace

bool is_pin_handle(TPM2_HANDLE handle) {
    return handle >= kFirstPin && handle < kLastPin && handle % 2 == 0;
}

TPML_DIGEST count_branches(const std::string& owner) {
    TPML_DIGEST branches{};
    branches.count = 2;
    branches.digests[0] = not_yet_written();
    branches.digests[1] = never(owner);
    return branches;
}

TPMS_NV_PUBLIC count_public(const PinSpace& space) {
    // A TPM makes no PIN index of this type without NO_DA: its own limit is its protection.
    constexpr TPMA_NV kAttributes = (TPM2_NT_PIN_FAIL << TPMA_NV_TPM2_NT_SHIFT) |
                                    TPMA_NV_POLICYWRITE | TPMA_NV_AUTHREAD | TPMA_NV_OWNERREAD |
                                    TPMA_NV_NO_DA | TPMA_NV_WRITTEN;
    return {space.handle, TPM2_ALG_SHA256, kAttributes, count_policy(space.owner),
            sizeof(TPMS_NV_PIN_COUNTER_PARAMETERS)};
}

TPMS_NV_PUBLIC share_public(const PinSpace& space) {
    constexpr TPMA_NV kAttributes = TPMA_NV_POLICYREAD | TPMA_NV_POLICYWRITE | TPMA_NV_WRITTEN;
    return {space.share_handle(), TPM2_ALG_SHA256, kAttributes,
            share_policy(name_of(count_public(space))), kShareBytes};
}

TPM2B_NAME name_of(const TPMS_NV_PUBLIC& index) {
    const auto digest = Hashed()
                            .number<std::uint32_t>(index.nvIndex)
                            .number<std::uint16_t>(index.nameAlg)
                            .number<std::uint32_t>(index.attributes)
                            .number<std::uint16_t>(index.authPolicy.size)
                            .add(contents(index.authPolicy))
                            .number<std::uint16_t>(index.dataSize)
                            .end();
    TPM2B_NAME name{};
    name.size = sizeof(std::uint16_t) + digest.size();
    name.name[0] = static_cast<std::uint8_t>(index.nameAlg >> 8U);
    name.name[1] = static_cast<std::uint8_t>(index.nameAlg & 0xffU);
    std::memcpy(name.name + sizeof(std::uint16_t), digest.data(), digest.size());
    return name;
}

}  // namespace pmos::tpm
