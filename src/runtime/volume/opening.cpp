// volume: which keyslots a secret that was entered may be tried at, and with which passphrase.
// Every try is judged: counted as wrong before it is made.
#include "runtime/volume/opening.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/names.h"
#include "runtime/volume/judge.h"
#include "runtime/volume/method.h"

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
    std::ranges::stable_partition(found, [](const Candidate& c) { return c.factor.token >= 0; });
    if (!found.empty()) return found;
    const auto wanted = text(request.method);
    return fail(Code::not_found,
                wanted.empty() ? "the volume has no keyslot that its profile lets a secret open"
                               : fmt::format("nothing in the volume opens by '{}'", wanted),
                "", fmt::format("see: pmosctl auth list {}", text(request.mode)));
}

// Nothing that one way says of itself hides that the secret was wrong for another: whoever takes
// the TPM away would guess without being counted.
Result<void> try_all(const Request& request, const std::vector<Candidate>& ways,
                     const SecretBuffer& entered, const TryKeyslot& try_keyslot, Opened& opened) {
    bool wrong = false;
    std::optional<Error> other;
    for (const auto& [factor, method] : ways) {
        if (!method->fits(entered)) continue;
        auto passphrase = method->passphrase(request, factor, entered);
        if (!passphrase) {
            wrong = wrong || passphrase.error().code == Code::wrong_secret;
            if (passphrase.error().code != Code::wrong_secret)
                other = std::move(passphrase.error());
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
    if (other) error.why = other->message();
    return fail(std::move(error));
}

}  // namespace

std::string_view bare_name(const Request& request) {
    if (request.key == KeyKind::device_key) return "device-key";
    for (const auto name : policy::split_list(text(request.methods)))
        if (name == "pin" || name == "passphrase") return name;
    return "pin";
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
    PMOS_ASSIGN(opened.not_kept, judge(request, entered, crypt.dearest_argon2(), [&] {
                    return try_all(request, ways, entered, try_keyslot, opened);
                }));
    return opened;
}

}  // namespace pmos::volume
