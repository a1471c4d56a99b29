// volume: which keyslots a secret that was entered may be tried at, and with which passphrase.
// Every try is judged: counted as wrong before it is made.
#include "runtime/volume/opening.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "policy/names.h"
#include "runtime/volume/destroy.h"
#include "runtime/volume/duress.h"
#include "runtime/volume/judge.h"
#include "runtime/volume/method.h"

namespace pmos::volume {
namespace {

struct Candidate {
    Factor factor;
    const Method* method;
};

const Method* opener_of(const Factor& factor) {
    const Method* method = method_of(factor);
    return method != nullptr && method->passphrase != nullptr ? method : nullptr;
}

std::unexpected<Error> nothing_alone(const Request& request) {
    const auto mode = text(request.mode), wanted = text(request.method);
    if (const Method* method = method_of_name(wanted); method != nullptr && !method->alone)
        return fail(Code::usage, "no secret was given", "",
                    fmt::format("'{}' wants one: --ask, or --pin-fd", wanted));
    return fail(Code::not_found, "the volume has no keyslot that the TPM opens", "",
                fmt::format("open it by a secret (pmosctl unlock {0} --ask), then: pmosctl auth "
                            "enroll {0} tpm2",
                            mode));
}

Result<std::vector<Candidate>> candidates(const Request& request, const CryptDevice& crypt,
                                          const SecretBuffer& entered) {
    const bool alone = request.key == KeyKind::tpm && is_unasked(request, entered.bytes());
    std::vector<Candidate> found;
    for (auto& factor : factors_of(crypt, bare_name(request)))
        if (const Method* method = opener_of(factor);
            method && method->alone == alone && may_open(request, factor))
            found.push_back({std::move(factor), method});
    // Those that count wrong ones elsewhere come last: what another way opens by is no wrong one.
    // Of them the one that a person has to be asked for comes first: where it is not at hand it
    // counts nothing, and where it is, it is what is meant.
    std::ranges::stable_sort(found, {}, [](const Candidate& c) {
        return std::tuple(c.method->counts, c.method->asks.empty(), c.factor.token < 0);
    });
    if (!found.empty()) return found;
    if (alone) return nothing_alone(request);
    const auto wanted = text(request.method);
    return fail(Code::not_found,
                wanted.empty() ? "the volume has no keyslot that its profile lets a secret open"
                               : fmt::format("nothing in the volume opens by '{}'", wanted),
                "", fmt::format("see: pmosctl auth list {}", text(request.mode)));
}

// What the ways that did not open it have said. Nothing that one says of itself hides that the
// secret was wrong for another: whoever takes the TPM away, or leaves while the authenticator
// blinks, would guess without being counted.
class Refusals {
  public:
    explicit Refusals(Keyslots& wrong_at) : wrong_at_(wrong_at) {}

    void wrong(int keyslot) { wrong_at_ |= only(keyslot); }

    // False: who asked has left, and no other way is tried.
    bool add(int keyslot, Error error) {
        const bool left = error.code == Code::cancelled;
        if (error.code == Code::wrong_secret) {
            wrong(keyslot);
            why_ = std::move(error.why);
        } else if (left || !other_ || other_->code == Code::not_found) {
            other_ = std::move(error);  // that one of several is not there says least
        }
        return !left;
    }

    Error told() && {
        if (wrong_at_ == 0 && other_) return std::move(*other_);
        Error error = refused_secret();
        error.why = other_ ? other_->message() : why_;
        return error;
    }

  private:
    Keyslots& wrong_at_;
    std::string why_;
    std::optional<Error> other_;
};

Result<void> try_all(const Request& request, const CryptDevice& crypt,
                     const std::vector<Candidate>& ways, const Guard& guard,
                     const SecretBuffer& entered, const TryKeyslot& try_keyslot, Opened& opened,
                     Keyslots& wrong_at) {
    Refusals refusals(wrong_at);
    std::optional<Keyslots> before;
    for (const auto& [factor, method] : ways) {
        if (!method->alone && !method->fits(entered)) continue;
        if (method->counts && !before) {
            PMOS_ASSIGN(before, wrong_before(request, guard, entered));
        }
        if (method->counts && (*before & only(factor.keyslot)) != 0) {
            refusals.wrong(factor.keyslot);
            continue;
        }
        auto passphrase = method->passphrase(request, crypt, factor, entered);
        if (!passphrase) {
            if (!refusals.add(factor.keyslot, std::move(passphrase.error()))) break;
            continue;
        }
        auto tried = try_keyslot(factor.keyslot, passphrase->bytes());
        if (tried) {
            opened.keyslot = factor.keyslot;
            opened.method = factor.method;
            return {};
        }
        if (tried.error().code != Code::wrong_secret) return tried;
        refusals.wrong(factor.keyslot);
    }
    return fail(std::move(refusals).told());
}

}  // namespace

std::string_view bare_name(const Request& request) {
    if (request.key == KeyKind::device_key) return "device-key";
    for (const auto name : policy::split_list(text(request.methods)))
        if (name == "pin" || name == "passphrase") return name;
    return "pin";
}

bool takes_secret(const Request& request) {
    return std::ranges::any_of(policy::split_list(text(request.methods)), [](std::string_view n) {
        const Method* method = method_of_name(n);
        return method != nullptr && method->chosen;
    });
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
    const auto wanted = text(request.method);
    return (wanted.empty() || wanted == factor.method) && refusal(request, factor).empty();
}

std::string_view refusal(const Request& request, const Factor& factor) {
    const auto allowed = text(request.methods);
    const bool named = allowed.empty()
                           ? factor.token < 0
                           : std::ranges::count(policy::split_list(allowed), factor.method) != 0;
    if (!named) return "the profile does not let it";
    if (request.tpm_throttle == 0) return "";
    if (factor.token < 0) return "the TPM does not count its wrong ones, as the profile demands";
    // The TPM's lockout counts these, for all that it protects; who saved the header keeps the
    // blob.
    if (factor.type == kSystemdTpm.token)
        return "it lies in the header: the profile demands a share that the TPM can destroy";
    return "";
}

std::string opening_step(const Request& request, const CryptDevice& crypt,
                         const SecretBuffer& entered, std::string_view doing) {
    if (is_unasked(request, entered.bytes())) return std::string(doing);
    for (const auto& factor : factors_of(crypt, bare_name(request)))
        if (const Method* method = opener_of(factor);
            method != nullptr && !method->asks.empty() && may_open(request, factor))
            return fmt::format("{}; {}", doing, method->asks);
    return std::string(doing);
}

Result<Opened> open_judged(const Request& request, const CryptDevice& crypt, Channel& channel,
                           const SecretBuffer& entered, const TryKeyslot& try_keyslot) {
    PMOS_ASSIGN(const auto ways, candidates(request, crypt, entered));
    Opened opened;
    Guard guard = guard_of(request, crypt);
    guard.destroy = [&] {
        destroy_unseen(request, crypt);
        static_cast<void>(channel.keys_ended());
    };
    PMOS_ASSIGN(opened.not_kept, judge(request, entered, guard, [&](Keyslots& wrong_at) {
                    return try_all(request, crypt, ways, guard, entered, try_keyslot, opened,
                                   wrong_at);
                }));
    return opened;
}

}  // namespace pmos::volume
