// volume: another volume key in place of the one that a volume has, up to where the data begins to
// be written anew. Never logs.
#include "runtime/volume/key_rotation.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "runtime/volume/keyslot_change.h"
#include "runtime/volume/method.h"

namespace pmos::volume {
namespace {

constexpr std::string_view kType = R"("type":"pmos-rotation")", kNext = R"("next":")";

Result<void> check_alone(const CryptDevice& crypt, int keyslot) {
    const auto others = crypt.others_than(keyslot);
    if (others.empty()) return {};
    const auto is_escrow = [](const std::string& other) { return other.contains(kEscrow.token); };
    return fail(
        Code::unsupported, "the volume opens by more than this secret",
        fmt::format("a new volume key cannot be given to {}", fmt::join(others, ", ")),
        std::ranges::any_of(others, is_escrow)
            ? "take the others away, re-encrypt, and enroll them again; an escrow goes once "
              "'escrow' is out of the profile, and comes back with it"
            : "take the others away, re-encrypt, and enroll them again");
}

// Also of a keyslot that has none: nothing to do.
Result<void> follow(CryptDevice& crypt, int keyslot, int next) {
    for (const int token : crypt.tokens_of(keyslot)) PMOS_TRY(crypt.bind_token(token, next));
    return {};
}

}  // namespace

std::string KeyRotation::token() const {
    return fmt::format(R"({{"type":"pmos-rotation","keyslots":[],"next":"{}"}})", next);
}

std::optional<KeyRotation> KeyRotation::parse(std::string_view token) {
    const auto at = token.find(kNext);
    if (token.find(kType) == token.npos || at == token.npos) return std::nullopt;
    KeyRotation rotation;
    const char* begin = token.data() + at + kNext.size();
    const auto [end, error] = std::from_chars(begin, token.data() + token.size(), rotation.next);
    if (error != std::errc() || end == begin || rotation.next < 0) return std::nullopt;
    return rotation;
}

Result<void> begin_rotation(CryptDevice& crypt, const std::string& dm_name, int keyslot,
                            const PbkdfCost& cost, std::span<const std::byte> secret) {
    PMOS_TRY(settle_change(crypt, keyslot));
    PMOS_TRY(check_alone(crypt, keyslot));
    const auto next = crypt.free_keyslot();
    if (!next)
        return fail(Code::no_space, "the volume has no keyslot left for a new key", "",
                    "see pmosctl volume info");
    PMOS_TRY(crypt.write_token(KeyRotation{*next}.token()));
    auto begun = crypt.add_next_key(*next, keyslot, cost, secret);
    if (begun) begun = follow(crypt, keyslot, *next);
    if (begun) begun = crypt.begin_reencryption(dm_name, secret, keyslot, *next);
    if (begun) return {};
    Error cause = std::move(begun.error());
    if (auto back = settle_rotation(crypt); !back)
        cause.undo_failures.push_back(std::move(back.error()));
    return fail(std::move(cause));
}

Result<void> settle_rotation(CryptDevice& crypt) {
    if (crypt.reencryption() != CryptDevice::Reencryption::none) return {};
    for (const auto& token : crypt.tokens()) {
        const auto rotation = KeyRotation::parse(token.json);
        if (!rotation) continue;
        PMOS_TRY(crypt.drop_next_key(rotation->next));
        PMOS_TRY(crypt.remove_token(token.number));
    }
    return {};
}

}  // namespace pmos::volume
