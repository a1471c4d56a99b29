// volume: one secret in place of another, so that at every moment one of the two opens the volume.
// Never logs.
#include "runtime/volume/keyslot_change.h"

#include <fmt/core.h>

#include <charconv>

#include "runtime/volume/key_rotation.h"

namespace pmos::volume {
namespace {

constexpr std::string_view kType = R"("type":"pmos-change")";

// The number behind "name":" in a token of ours, which has no white space.
std::optional<int> number_of(std::string_view json, std::string_view name) {
    const std::string key = fmt::format(R"("{}":")", name);
    const auto at = json.find(key);
    if (at == json.npos) return std::nullopt;
    int value = -1;
    const char* begin = json.data() + at + key.size();
    const auto [end, error] = std::from_chars(begin, json.data() + json.size(), value);
    if (error != std::errc() || end == begin || value < 0) return std::nullopt;
    return value;
}

// The token that marks the volume as complete belongs to whatever keyslot opens it.
Result<void> bind_tokens(CryptDevice& crypt, int keyslot) {
    for (const auto& token : crypt.tokens())
        if (token.json.find(R"("type":"pmos")") != std::string::npos)
            PMOS_TRY(crypt.bind_token(token.number, keyslot));
    return {};
}

}  // namespace

std::string KeyslotChange::token() const {
    return fmt::format(R"({{"type":"pmos-change","keyslots":[],"before":"{}","after":"{}"}})",
                       before, after);
}

std::optional<KeyslotChange> KeyslotChange::parse(std::string_view token) {
    if (token.find(kType) == token.npos) return std::nullopt;
    const auto before = number_of(token, "before"), after = number_of(token, "after");
    if (!before || !after || *before == *after) return std::nullopt;
    return KeyslotChange{*before, *after};
}

Result<void> change_secret(CryptDevice& crypt, const CryptDevice::Unsealed& old,
                           const PbkdfCost& cost, std::span<const std::byte> secret) {
    PMOS_TRY(settle_change(crypt, old.keyslot));
    const auto free = crypt.free_keyslot();
    if (!free)
        return fail(Code::no_space, "the volume has no keyslot left for a new secret", "",
                    "see pmosctl volume info");
    const KeyslotChange change{old.keyslot, *free};
    PMOS_TRY(crypt.write_token(change.token()));
    auto added = crypt.add_keyslot(change.after, cost, old.key.bytes(), secret);
    if (added) added = crypt.check_keyslot(change.after, secret);
    if (added) return settle_change(crypt, change.after);
    Error cause = std::move(added.error());
    if (auto back = settle_change(crypt, change.before); !back)
        cause.undo_failures.push_back(std::move(back.error()));
    return fail(std::move(cause));
}

Result<void> settle_change(CryptDevice& crypt, int opened) {
    for (const auto& token : crypt.tokens()) {
        const auto change = KeyslotChange::parse(token.json);
        // A keyslot of neither says nothing of which of the two is meant.
        if (!change || (opened != change->after && opened != change->before)) continue;
        // A token whose last keyslot is destroyed belongs to none.
        PMOS_TRY(bind_tokens(crypt, opened));
        PMOS_TRY(crypt.destroy_keyslot(opened == change->after ? change->before : change->after));
        PMOS_TRY(crypt.remove_token(token.number));
    }
    return settle_rotation(crypt);
}

}  // namespace pmos::volume
