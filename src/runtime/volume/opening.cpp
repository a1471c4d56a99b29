// volume: which keyslots a secret that was entered may be tried at, and with which passphrase.
// Every try is judged: counted as wrong before it is made.
#include "runtime/volume/opening.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/names.h"
#include "runtime/volume/judge.h"
#include "runtime/volume/method.h"
#include "runtime/volume/repeats.h"

namespace pmos::volume {
namespace {

struct Candidate {
    Factor factor;
    const Method* method;
};

const Method* opener_of(const Factor& factor) {
    const Method* method = factor.token < 0 ? &bare_method() : method_of_token(factor.type);
    return method != nullptr && method->passphrase != nullptr ? method : nullptr;
}

Result<std::vector<Candidate>> candidates(const Request& request, const CryptDevice& crypt) {
    std::vector<Candidate> found;
    for (auto& factor : factors_of(crypt, bare_name(request)))
        if (const Method* method = opener_of(factor); method && may_open(request, factor))
            found.push_back({std::move(factor), method});
    // Those that count wrong ones elsewhere come last: what another way opens by is no wrong one.
    std::ranges::stable_sort(found, {}, [](const Candidate& c) {
        return std::pair(c.method->counts, c.factor.token < 0);
    });
    if (!found.empty()) return found;
    const auto wanted = text(request.method);
    return fail(Code::not_found,
                wanted.empty() ? "the volume has no keyslot that its profile lets a secret open"
                               : fmt::format("nothing in the volume opens by '{}'", wanted),
                "", fmt::format("see: pmosctl auth list {}", text(request.mode)));
}

// Nothing that one way says of itself hides that the secret was wrong for another: whoever takes
// the TPM away would guess without being counted.
Result<void> try_all(const Request& request, const CryptDevice& crypt,
                     const std::vector<Candidate>& ways, const std::optional<KeyslotCost>& cost,
                     const SecretBuffer& entered, const TryKeyslot& try_keyslot, Opened& opened) {
    bool wrong = false;
    std::string why;
    std::optional<Error> other;
    for (const auto& [factor, method] : ways) {
        if (!method->fits(entered)) continue;
        if (method->counts && cost) {
            const Repeats repeats{std::string(text(request.repeats))};
            PMOS_ASSIGN(const bool known, repeats.knows(entered.bytes(), *cost));
            wrong = wrong || known;
            if (known) continue;
        }
        auto passphrase = method->passphrase(request, crypt, factor, entered);
        if (!passphrase) {
            if (passphrase.error().code == Code::wrong_secret) {
                wrong = true;
                why = std::move(passphrase.error().why);
            } else {
                other = std::move(passphrase.error());
            }
            continue;
        }
        auto tried = try_keyslot(factor.keyslot, passphrase->bytes());
        if (tried) {
            opened.keyslot = factor.keyslot;
            opened.method = factor.method;
            return {};
        }
        if (tried.error().code != Code::wrong_secret) return tried;
        wrong = true;
    }
    if (!wrong && other) return fail(std::move(*other));
    Error error = refused_secret();
    error.why = other ? other->message() : why;
    return fail(std::move(error));
}

// Of the way that is the dearest to guess at.
std::optional<KeyslotCost> guess_cost(const CryptDevice& crypt,
                                      const std::vector<Candidate>& ways) {
    auto dearest = crypt.dearest_argon2();
    const auto price = [](const std::optional<KeyslotCost>& cost) {
        return cost ? std::uint64_t{cost->memory_kib} * cost->iterations : 0;
    };
    for (const auto& [factor, method] : ways)
        if (auto cost = method->cost ? method->cost(factor) : std::nullopt;
            price(cost) > price(dearest))
            dearest = std::move(cost);
    return dearest;
}

}  // namespace

std::string_view bare_name(const Request& request) {
    if (request.key == KeyKind::device_key) return "device-key";
    for (const auto name : policy::split_list(text(request.methods)))
        if (name == "pin" || name == "passphrase") return name;
    return "pin";
}

const Method* first_method(const Request& request) {
    if (request.key == KeyKind::device_key) return nullptr;
    const auto names = policy::split_list(text(request.methods));
    const auto is_bare = [](std::string_view n) { return method_of_name(n) == &bare_method(); };
    const auto is_chosen = [](std::string_view n) {
        const Method* method = method_of_name(n);
        return method != nullptr && method->chosen;
    };
    if (std::ranges::any_of(names, is_bare)) return nullptr;
    const auto it = std::ranges::find_if(names, is_chosen);
    return it == names.end() ? nullptr : method_of_name(*it);
}

bool may_open(const Request& request, const Factor& factor) {
    const auto wanted = text(request.method), allowed = text(request.methods);
    if (!wanted.empty() && wanted != factor.method) return false;
    if (allowed.empty()) return factor.token < 0;
    return std::ranges::count(policy::split_list(allowed), factor.method) != 0;
}

Result<Opened> open_judged(const Request& request, const CryptDevice& crypt,
                           const SecretBuffer& entered, const TryKeyslot& try_keyslot) {
    PMOS_ASSIGN(const auto ways, candidates(request, crypt));
    Opened opened;
    const auto cost = guess_cost(crypt, ways);
    PMOS_ASSIGN(opened.not_kept, judge(request, entered, cost, [&] {
                    return try_all(request, crypt, ways, cost, entered, try_keyslot, opened);
                }));
    return opened;
}

}  // namespace pmos::volume
