// volume: the token of a keyslot that a PIN opens with the TPM's help. Text and values: asks no
// TPM, holds no secret.
#include "runtime/volume/tpm_token.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "runtime/volume/factor.h"

namespace pmos::volume {
namespace {

constexpr std::string_view kVersion = "1";
constexpr std::size_t kOwnerBytes = 64;
// Argon2's own least, and more than any phone has.
constexpr std::uint32_t kLeastMemory = 8, kMostMemory = 4U << 20U, kMostIterations = 1U << 16U,
                        kMostLanes = 64;

template <std::size_t N>
std::string hex_of(const std::array<std::byte, N>& bytes) {
    std::string hex(2 * N + 1, '\0');
    sodium_bin2hex(hex.data(), hex.size(), reinterpret_cast<const unsigned char*>(bytes.data()), N);
    hex.pop_back();  // the NUL
    return hex;
}

// A token's members by name; what is not as it has to be is remembered.
class Members {
  public:
    explicit Members(const TokenText& token) : token_(token) {}
    bool sound() const { return sound_; }

    std::uint32_t number(std::string_view name, std::uint32_t least, std::uint32_t most) {
        const auto text = token_.text(name);
        std::uint32_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        check(error == std::errc() && end == text.data() + text.size() && value >= least &&
              value <= most);
        return value;
    }
    template <std::size_t N>
    void bytes(std::string_view name, std::array<std::byte, N>& out) {
        const auto text = token_.text(name);
        std::size_t size = 0;
        check(text.size() == 2 * N &&
              sodium_hex2bin(reinterpret_cast<unsigned char*>(out.data()), N, text.data(),
                             text.size(), nullptr, &size, nullptr) == 0 &&
              size == N);
    }
    std::string text(std::string_view name) const { return token_.text(name); }
    void check(bool right) { sound_ = sound_ && right; }

  private:
    const TokenText& token_;
    bool sound_ = true;
};

// A volume's UUID.
bool is_owner(std::string_view name) {
    return !name.empty() && name.size() <= kOwnerBytes && std::ranges::all_of(name, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-';
    });
}

}  // namespace

std::string TpmToken::text() const {
    return fmt::format(
        R"({{"type":"{}","keyslots":[],"version":"{}","handle":"{}","owner":"{}","tpm-key":"{}",)"
        R"("salt":"{}","kdf":"{}","iterations":"{}","memory":"{}","lanes":"{}"}})",
        kTpmToken, kVersion, share.space.handle, share.space.owner, hex_of(share.key), hex_of(salt),
        cost.type, cost.iterations, cost.memory_kib, cost.lanes);
}

Result<TpmToken> TpmToken::parse(const std::string& json) {
    PMOS_ASSIGN(const auto said, TokenText::parse(json));
    Members members(said);
    if (said.type() == kTpmToken && members.text("version") != kVersion)
        return fail(Code::unsupported, "the volume's token for the TPM cannot be used",
                    "it is of another version of pmos");
    TpmToken token;
    members.check(said.type() == kTpmToken);
    token.share.space.handle = members.number("handle", tpm::kFirstPin, tpm::kLastPin);
    members.check(tpm::is_pin_handle(token.share.space.handle));
    token.share.space.owner = members.text("owner");
    members.check(is_owner(token.share.space.owner));
    members.bytes("tpm-key", token.share.key);
    members.bytes("salt", token.salt);
    token.cost.type = members.text("kdf");
    members.check(token.cost.type == "argon2i" || token.cost.type == "argon2id");
    token.cost.iterations = members.number("iterations", 1, kMostIterations);
    token.cost.lanes = members.number("lanes", 1, kMostLanes);
    token.cost.memory_kib = members.number("memory", kLeastMemory * token.cost.lanes, kMostMemory);
    if (members.sound()) return token;
    return fail(Code::failed, "the volume's token for the TPM cannot be used", "it is damaged",
                "open the volume with its recovery key, then enroll anew");
}

}  // namespace pmos::volume
