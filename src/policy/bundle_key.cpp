// policy: who may sign a bundle: Ed25519 public keys as PEM, and the question whether one did.
// Holds no private key, reads no file.
#include "policy/bundle_key.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>

namespace pmos::policy {
namespace {

constexpr std::string_view kBegin = "-----BEGIN PUBLIC KEY-----\n";
constexpr std::string_view kEnd = "\n-----END PUBLIC KEY-----\n";
// SEQUENCE { SEQUENCE { OID 1.3.101.112 } BIT STRING of 32 bytes }: Ed25519 has no parameters.
constexpr std::array<unsigned char, 12> kPrefix{0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                                0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

const unsigned char* raw(std::span<const std::byte> bytes) {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

KeyId key_id(const PublicKey& key) {
    KeyId id{};
    crypto_hash_sha256(reinterpret_cast<unsigned char*>(id.data()), raw(key.bytes),
                       key.bytes.size());
    return id;
}

std::string to_hex(std::span<const std::byte> bytes) {
    std::string out;
    for (const std::byte b : bytes) out += fmt::format("{:02x}", std::to_integer<unsigned>(b));
    return out;
}

Result<PublicKey> read_public_key(const SourceFile& file) {
    const auto bad = [&](std::string why) {
        return fail(Code::usage, fmt::format("'{}' is not an Ed25519 public key", file.path),
                    std::move(why), "'pmosctl policy keygen' or openssl writes one");
    };
    std::string_view text = file.bytes;
    if (!text.starts_with(kBegin) || !text.ends_with(kEnd) ||
        text.size() < kBegin.size() + kEnd.size())
        return bad("it is not PEM of a PUBLIC KEY, with nothing around it");
    text = text.substr(kBegin.size(), text.size() - kBegin.size() - kEnd.size());
    std::array<unsigned char, kPrefix.size() + 32> der{};
    std::size_t size = 0;
    if (sodium_base642bin(der.data(), der.size(), text.data(), text.size(), nullptr, &size, nullptr,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        size != der.size() || !std::equal(kPrefix.begin(), kPrefix.end(), der.begin()))
        return bad("it is the key of another algorithm, or damaged");
    PublicKey key;
    key.file = file.path;
    std::ranges::transform(der.begin() + kPrefix.size(), der.end(), key.bytes.begin(),
                           [](unsigned char c) { return std::byte{c}; });
    return key;
}

Result<std::vector<PublicKey>> read_public_keys(const std::vector<std::string>& paths,
                                                const ReadBlock& read) {
    std::vector<PublicKey> keys;
    for (const auto& path : paths) {
        PMOS_ASSIGN(auto bytes, read(path));
        PMOS_ASSIGN(auto key, read_public_key({path, std::move(bytes)}));
        keys.push_back(std::move(key));
    }
    return keys;
}

std::string write_public_key(const PublicKey& key) {
    std::array<unsigned char, kPrefix.size() + 32> der{};
    std::ranges::copy(kPrefix, der.begin());
    std::copy_n(raw(key.bytes), key.bytes.size(), der.begin() + kPrefix.size());
    std::array<char, sodium_base64_ENCODED_LEN(der.size(), sodium_base64_VARIANT_ORIGINAL)> text{};
    sodium_bin2base64(text.data(), text.size(), der.data(), der.size(),
                      sodium_base64_VARIANT_ORIGINAL);
    return fmt::format("{}{}{}", kBegin, text.data(), kEnd);
}

bool verifies(const PublicKey& key, const Statement& statement, const Signature& signature) {
    return crypto_sign_ed25519_verify_detached(raw(signature), raw(statement), statement.size(),
                                               raw(key.bytes)) == 0;
}

Result<GenuineBundle> open_bundle(std::string_view file, std::string_view bytes,
                                  std::span<const PublicKey> trusted) {
    PMOS_ASSIGN(const auto sealed, split_bundle(file, bytes));
    const auto refused = [&](std::string why, std::string fix) {
        return fail(Code::denied, fmt::format("the bundle '{}' is not to be trusted", file),
                    std::move(why), std::move(fix));
    };
    if (!sealed.is_signed())
        return refused("it is not signed", "sign it with 'pmosctl policy sign'");
    const auto key = std::ranges::find(trusted, sealed.key, key_id);
    if (key == trusted.end())
        return refused(
            fmt::format("no trusted key has the id {}", to_hex(sealed.key).substr(0, 16)),
            fmt::format("{} key(s) are trusted; have it signed by one of them", trusted.size()));
    if (!verifies(*key, sealed.statement, sealed.signature))
        return refused(fmt::format("its signature is not by '{}'", key->file),
                       "it was changed or damaged: get it again");
    PMOS_TRY(check_payload(file, sealed));
    PMOS_ASSIGN(auto bundle, read_payload(file, sealed.payload));
    return GenuineBundle{std::move(bundle), *key};
}

}  // namespace pmos::policy
