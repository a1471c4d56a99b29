// volume: a way into a volume comes or goes, so that at every moment the others still open it.
// Judges nothing, never logs.
#include "runtime/volume/enrollment.h"

#include <fmt/core.h>

#include <algorithm>

#include "runtime/volume/keyslot_change.h"
#include "runtime/volume/undo.h"

namespace pmos::volume {
namespace {

constexpr std::string_view kMark = "pmos-enroll";

std::string mark_of(int keyslot) {
    return fmt::format(R"({{"type":"{}","keyslots":[],"coming":"{}"}})", kMark, keyslot);
}

bool is_spoken_of(const CryptDevice& crypt, int keyslot) {
    const auto factors = factors_of(crypt, "");
    return std::ranges::any_of(
        factors, [&](const Factor& f) { return f.keyslot == keyslot && f.token >= 0; });
}

Result<void> settle_mark(CryptDevice& crypt, int number, const TokenText& mark, int opened) {
    const std::string coming = mark.text("coming");
    for (const int slot : crypt.keyslots())
        if (std::to_string(slot) == coming && slot != opened && !is_spoken_of(crypt, slot))
            PMOS_TRY(crypt.destroy_keyslot(slot));
    return crypt.remove_token(number);
}

Result<void> settle_enrollment(const Request& request, CryptDevice& crypt, int opened) {
    const auto tokens = crypt.tokens();
    for (const auto& token : tokens)
        if (const auto said = TokenText::parse(token.json); said && said->type() == kMark)
            PMOS_TRY(settle_mark(crypt, token.number, *said, opened));
    for (const auto& token : tokens) {
        const auto said = TokenText::parse(token.json);
        if (!said || method_of_token(said->type()) == nullptr || !said->keyslots().empty())
            continue;
        PMOS_TRY(destroy_outside(request, said->type(), token.json));
        PMOS_TRY(crypt.remove_token(token.number));
    }
    return {};
}

}  // namespace

Result<int> enroll(const Request& request, CryptDevice& crypt, const Method& method,
                   const Enrolled& enrolled, std::span<const std::byte> key,
                   const PbkdfCost& cost) {
    Undo undo;
    undo.push([&] { return destroy_outside(request, std::string(method.token), enrolled.token); });
    const auto slot = crypt.free_keyslot();
    auto done = [&]() -> Result<int> {
        if (!slot)
            return fail(Code::no_space, "the volume has no keyslot left for another way", "",
                        fmt::format("see pmosctl auth list {}", text(request.mode)));
        int token = -1;
        if (!enrolled.token.empty()) {
            PMOS_ASSIGN(token, crypt.write_token(enrolled.token));
            undo.push([&crypt, token] { return crypt.remove_token(token); });
        }
        PMOS_ASSIGN(const int mark, crypt.write_token(mark_of(*slot)));
        undo.push([&crypt, mark] { return crypt.remove_token(mark); });
        undo.push([&crypt, slot] { return crypt.destroy_keyslot(*slot); });
        PbkdfCost fitted = cost;
        fitted.minimal = cost.minimal || method.random;
        PMOS_TRY(crypt.add_keyslot(*slot, fitted, key, enrolled.passphrase.bytes()));
        PMOS_TRY(crypt.check_keyslot(*slot, enrolled.passphrase.bytes()));
        if (token >= 0) PMOS_TRY(crypt.bind_token(token, *slot));
        PMOS_TRY(crypt.remove_token(mark));
        return *slot;
    }();
    if (!done) return fail(undo.run(std::move(done.error())));
    return done;
}

Result<void> remove_factor(const Request& request, CryptDevice& crypt, const Factor& factor) {
    if (factor.token >= 0) PMOS_TRY(destroy_outside(request, factor.type, factor.json));
    PMOS_TRY(crypt.destroy_keyslot(factor.keyslot));
    if (factor.token < 0) return {};
    for (const auto& token : crypt.tokens()) {
        if (token.number != factor.token) continue;
        const auto said = TokenText::parse(token.json);
        if (said && said->keyslots().empty()) return crypt.remove_token(token.number);
    }
    return {};
}

Result<void> settle(const Request& request, CryptDevice& crypt, int opened) {
    PMOS_TRY(settle_change(crypt, opened));
    return settle_enrollment(request, crypt, opened);
}

}  // namespace pmos::volume
