// volume: the token of a keyslot that a FIDO2 authenticator opens, as systemd-cryptenroll(1) writes
// and reads it. Text and values: asks no authenticator, holds no secret.
#include "runtime/volume/fido2_token.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>

#include "runtime/volume/factor.h"

namespace pmos::volume {
namespace {

using Bytes = std::vector<unsigned char>;

constexpr int kVariant = sodium_base64_VARIANT_ORIGINAL;
// More than any authenticator has; a header may say anything.
constexpr std::size_t kMostCredential = 1024, kMostName = 253;

std::string base64_of(const Bytes& bytes) {
    std::string text(sodium_base64_ENCODED_LEN(bytes.size(), kVariant), '\0');
    ::sodium_bin2base64(text.data(), text.size(), bytes.data(), bytes.size(), kVariant);
    text.pop_back();  // the NUL
    return text;
}

// Empty: it is none, or longer than `most`.
Bytes bytes_of(std::string_view text, std::size_t most) {
    Bytes bytes(most);
    std::size_t size = 0;
    if (::sodium_base642bin(bytes.data(), bytes.size(), text.data(), text.size(), nullptr, &size,
                            nullptr, kVariant) != 0)
        size = 0;
    bytes.resize(size);
    return bytes;
}

// What a relying party is named by; nothing in it needs an escape in JSON.
bool is_domain(std::string_view name) {
    return std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '-';
    });
}

}  // namespace

std::string Fido2Token::text() const {
    return fmt::format(
        R"({{"type":"{}","keyslots":[],"fido2-credential":"{}","fido2-salt":"{}","fido2-rp":"{}",)"
        R"("fido2-clientPin-required":{},"fido2-up-required":{},"fido2-uv-required":{}}})",
        kFido2Token, base64_of(credential), base64_of(salt), rp, pin, touch, verification);
}

Result<Fido2Token> Fido2Token::parse(const std::string& json) {
    PMOS_ASSIGN(const auto said, TokenText::parse(json));
    Fido2Token token;
    token.credential = bytes_of(said.text("fido2-credential"), kMostCredential);
    token.salt = bytes_of(said.text("fido2-salt"), kSaltBytes);
    if (auto rp = said.text("fido2-rp"); !rp.empty()) token.rp = std::move(rp);
    token.pin = said.flag("fido2-clientPin-required");
    token.touch = said.flag("fido2-up-required");
    token.verification = said.flag("fido2-uv-required");
    if (said.type() == kFido2Token && !token.credential.empty() &&
        token.salt.size() == kSaltBytes && token.rp.size() <= kMostName && is_domain(token.rp))
        return token;
    return fail(Code::failed, "the volume's token for an authenticator cannot be used",
                "it is damaged", "open the volume another way, then enroll anew");
}

}  // namespace pmos::volume
