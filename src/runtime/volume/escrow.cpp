// volume: a way into a volume for who holds a private key elsewhere. Holds none itself.
#include "runtime/volume/escrow.h"

#include <fmt/core.h>
#include <sodium.h>

#include <array>
#include <ctime>

#include "policy/hash.h"
#include "runtime/volume/method.h"
#include "runtime/volume/recovery.h"

namespace pmos::volume {
namespace {

using PublicKey = std::array<unsigned char, crypto_box_PUBLICKEYBYTES>;

Result<PublicKey> read_key(std::string_view text) {
    PublicKey key{};
    std::size_t size = 0;
    if (::sodium_base642bin(key.data(), key.size(), text.data(), text.size(), nullptr, &size,
                            nullptr, sodium_base64_VARIANT_ORIGINAL) == 0 &&
        size == key.size())
        return key;
    return fail(Code::usage, fmt::format("'{}' is no X25519 public key", text));
}

std::string utc_now() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    char text[32];
    return {text, std::strftime(text, sizeof text, "%FT%TZ", ::gmtime_r(&now, &parts))};
}

// What is sealed is a recovery key: whoever unseals it can read it out to a person at the phone.
Result<Enrolled> enroll(const Request& request, const CryptDevice&, const SecretBuffer*) {
    const auto public_key = text(request.escrow);
    PMOS_ASSIGN(auto secret, make_recovery_key());
    PMOS_ASSIGN(const std::string fingerprint, fingerprint_of(public_key));
    PMOS_ASSIGN(const std::string sealed, seal(secret.bytes(), public_key));
    return Enrolled{
        fmt::format(
            R"({{"type":"pmos-escrow","keyslots":[],"key":"{}","sealed":"{}","since":"{}"}})",
            fingerprint, sealed, utc_now()),
        std::move(secret)};
}

}  // namespace

const Method kEscrow{.name = "escrow",
                     .token = "pmos-escrow",
                     .random = true,
                     .fits = kRecovery.fits,
                     .passphrase = kRecovery.passphrase,
                     .enroll = enroll};

Result<std::string> fingerprint_of(std::string_view public_key) {
    PMOS_ASSIGN(const PublicKey key, read_key(public_key));
    return policy::sha256_hex(std::as_bytes(std::span(key)));
}

Result<std::string> seal(std::span<const std::byte> secret, std::string_view public_key) {
    PMOS_ASSIGN(const PublicKey key, read_key(public_key));
    std::vector<unsigned char> box(crypto_box_SEALBYTES + secret.size());
    if (::sodium_init() < 0 ||
        ::crypto_box_seal(box.data(), reinterpret_cast<const unsigned char*>(secret.data()),
                          secret.size(), key.data()) != 0)
        return fail(Code::failed, fmt::format("nothing can be sealed to '{}'", public_key),
                    "it is a point that every private key shares", "make another key pair");
    std::string base64(sodium_base64_ENCODED_LEN(box.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
    ::sodium_bin2base64(base64.data(), base64.size(), box.data(), box.size(),
                        sodium_base64_VARIANT_ORIGINAL);
    base64.pop_back();  // the NUL
    return base64;
}

}  // namespace pmos::volume
