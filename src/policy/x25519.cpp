// policy: X25519 public keys in base64 and back. Never sees a private one.
#include "policy/x25519.h"

namespace pmos::policy {
namespace {

constexpr std::string_view kLetters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::size_t kLength = 44;  // the last of 43 letters has 4 bits of the key

}  // namespace

std::optional<PublicKey> parse_key(std::string_view text) {
    if (text.size() != kLength || text.back() != '=') return std::nullopt;
    PublicKey key{};
    std::uint32_t bits = 0;
    unsigned held = 0;
    std::size_t at = 0;
    for (const char c : text.substr(0, kLength - 1)) {
        const auto value = kLetters.find(c);
        if (value == kLetters.npos) return std::nullopt;
        bits = bits << 6U | static_cast<std::uint32_t>(value);
        held += 6;
        if (held < 8) continue;
        held -= 8;
        key.at(at++) = static_cast<std::uint8_t>(bits >> held);
        bits &= (1U << held) - 1;
    }
    return bits == 0 ? std::optional(key) : std::nullopt;
}

std::string key_text(const PublicKey& key) {
    std::string text;
    std::uint32_t bits = 0;
    unsigned held = 0;
    for (const auto byte : key) {
        bits = bits << 8U | byte;
        for (held += 8; held >= 6;) {
            held -= 6;
            text += kLetters[bits >> held & 63U];
        }
        bits &= (1U << held) - 1;
    }
    text += kLetters[bits << (6 - held) & 63U];
    return text + "=";
}

}  // namespace pmos::policy
