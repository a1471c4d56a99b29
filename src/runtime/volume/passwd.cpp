// volume: another secret in place of the one that opens a volume. Never logs.
#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "runtime/volume/cost.h"
#include "runtime/volume/duress.h"
#include "runtime/volume/enrollment.h"
#include "runtime/volume/header.h"
#include "runtime/volume/key.h"
#include "runtime/volume/keyslot_change.h"
#include "runtime/volume/opening.h"
#include "runtime/volume/worker.h"

namespace pmos::volume {
namespace {

Result<SecretBuffer> read_new(const UniqueFd& fd, const SecretBuffer& old) {
    PMOS_ASSIGN(auto secret, read_pin(fd.borrow()));
    if (secret.bytes().size() < kMinSecret)
        return fail(Code::usage, "the new secret is too short", "",
                    "choose one of " + std::to_string(kMinSecret) + " characters or more");
    if (std::ranges::equal(secret.bytes(), old.bytes()))
        return fail(Code::usage, "the new secret is the old one", "", "choose another one");
    return secret;
}

// The secret that was forgotten, where another way has opened the volume: there must be one such.
Result<int> replaced_by_new(const Request& request, const CryptDevice& crypt, int opened) {
    std::vector<int> bare;
    for (const auto& factor : factors_of(crypt, bare_name(request)))
        if (factor.token < 0) bare.push_back(factor.keyslot);
    if (std::ranges::count(bare, opened) != 0) return opened;
    if (bare.size() == 1) return bare.front();
    const auto mode = text(request.mode);
    return fail(Code::usage,
                fmt::format("{} has {} secrets that could be replaced", name_of(request),
                            bare.empty() ? "no" : std::to_string(bare.size())),
                "",
                bare.empty() ? fmt::format("pmosctl auth enroll {} {}", mode, bare_name(request))
                             : fmt::format("pmosctl auth list {}, auth remove", mode));
}

// Where the way that was opened by keeps something outside the header: a new one beside the old,
// which then goes. False: it is not such a way.
Result<bool> replace_with_token(const Request& request, CryptDevice& crypt,
                                const CryptDevice::Unsealed& unsealed, const SecretBuffer& secret) {
    for (const auto& factor : factors_of(crypt, bare_name(request))) {
        if (factor.keyslot != unsealed.keyslot || factor.token < 0) continue;
        const Method* const method = method_of(factor);
        if (method == nullptr || !method->chosen || method->destroy == nullptr) return false;
        PMOS_ASSIGN(const auto enrolled, method->enroll(request, crypt, &secret));
        PMOS_TRY(enroll(request, crypt, *method, enrolled, unsealed.key.bytes(), cost_of(request)));
        PMOS_TRY(remove_factor(request, crypt, factor));
        return true;
    }
    return false;
}

Event finished(const Opened& opened) {
    Event event;
    event.kind = EventKind::done;
    opened.not_kept.copy(event.why, sizeof event.why - 1);
    event.provisioned = 1;
    return event;
}

}  // namespace

Result<Event> passwd(const Request& request, UniqueFd old_fd, UniqueFd new_fd, Channel& channel) {
    if (request.key == KeyKind::device_key)
        return fail(Code::usage, name_of(request) + " has no secret that a person knows",
                    "it opens with a device key");
    PMOS_TRY(check_complete(request));
    PMOS_ASSIGN(const auto old, read_pin(old_fd.borrow()));
    PMOS_ASSIGN(const auto secret, read_new(new_fd, old));
    PMOS_TRY(channel.catch_signals());
    PMOS_TRY(channel.progress(50, "opening"));
    PMOS_ASSIGN(auto header, Header::open(request, false));
    CryptDevice& crypt = header.crypt();
    PMOS_TRY(crypt.check_one_key());
    PMOS_TRY(channel.progress(100, opening_step(request, crypt, old, "trying the old secret")));
    std::optional<CryptDevice::Unsealed> unsealed;
    PMOS_ASSIGN(
        const Opened opened,
        open_judged(request, crypt, channel, old, [&](int slot, auto passphrase) -> Result<void> {
            PMOS_ASSIGN(unsealed, crypt.unseal(passphrase, slot));
            return {};
        }));
    PMOS_TRY(settle(request, crypt, opened.keyslot));
    PMOS_TRY(check_not_duress(crypt, secret.bytes()));
    PMOS_TRY(channel.progress(500, "writing the new secret"));
    PMOS_ASSIGN(const bool done, replace_with_token(request, crypt, *unsealed, secret));
    if (done) return finished(opened);
    PMOS_ASSIGN(const int replaced, replaced_by_new(request, crypt, opened.keyslot));
    PMOS_TRY(change_secret(crypt, {replaced, std::move(unsealed->key)}, cost_of(request),
                           secret.bytes()));
    PMOS_TRY(ensure_duress_mark(crypt));
    return finished(opened);
}

}  // namespace pmos::volume
