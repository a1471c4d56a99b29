// tpm: what a PIN comes to, one key for each use. Derives, and keeps nothing.
#include "runtime/tpm/pin_key.h"

#include <sodium.h>

#include "runtime/tpm/pin_space.h"

namespace pmos::tpm {

Result<SecretBuffer> derive(const SecretBuffer& stretched, Use use) {
    static_assert(kStretchedBytes == crypto_kdf_KEYBYTES);
    if (stretched.bytes().size() != kStretchedBytes)
        return fail(Code::usage, "what a PIN was stretched to has another size");
    PMOS_ASSIGN(auto key, SecretBuffer::make(kStretchedBytes));
    crypto_kdf_derive_from_key(reinterpret_cast<unsigned char*>(key.storage().data()),
                               kStretchedBytes, static_cast<std::uint64_t>(use), "pmos-tpm",
                               reinterpret_cast<const unsigned char*>(stretched.bytes().data()));
    key.set_size(kStretchedBytes);
    return key;
}

Result<SecretBuffer> keyslot_secret(const SecretBuffer& share, const SecretBuffer& stretched) {
    static_assert(kShareBytes == crypto_auth_hmacsha256_KEYBYTES);
    if (share.bytes().size() != kShareBytes)
        return fail(Code::usage, "the TPM's share has another size");
    PMOS_ASSIGN(const auto of_pin, derive(stretched, Use::keyslot));
    PMOS_ASSIGN(auto secret, SecretBuffer::make(crypto_auth_hmacsha256_BYTES));
    crypto_auth_hmacsha256(reinterpret_cast<unsigned char*>(secret.storage().data()),
                           reinterpret_cast<const unsigned char*>(of_pin.bytes().data()),
                           of_pin.bytes().size(),
                           reinterpret_cast<const unsigned char*>(share.bytes().data()));
    secret.set_size(crypto_auth_hmacsha256_BYTES);
    return secret;
}

}  // namespace pmos::tpm
