// volume: sets and removes the duress secret of a volume, for who knows the right one. Never logs.
#include <fmt/core.h>

#include <algorithm>

#include "runtime/volume/duress.h"
#include "runtime/volume/header.h"
#include "runtime/volume/key.h"
#include "runtime/volume/opening.h"
#include "runtime/volume/worker.h"

namespace pmos::volume {
namespace {

Result<SecretBuffer> read_duress(const UniqueFd& fd, const SecretBuffer& right) {
    PMOS_ASSIGN(auto secret, read_pin(fd.borrow()));
    if (secret.bytes().size() < kMinSecret)
        return fail(Code::usage, "the duress PIN is too short", "",
                    "choose one of " + std::to_string(kMinSecret) + " characters or more");
    if (std::ranges::equal(secret.bytes(), right.bytes()))
        return fail(Code::usage, "the duress PIN is the PIN", "", "choose another one");
    return secret;
}

// Where another way than the PIN has opened the volume, say a recovery key. What opens destroys
// nothing, but would once it is replaced. A TPM is not asked: it would count a wrong PIN.
Result<void> check_opens_nothing(const Request& request, CryptDevice& crypt,
                                 const SecretBuffer& secret) {
    for (const auto& factor : factors_of(crypt, bare_name(request)))
        if (factor.token < 0 && crypt.check_secret(secret.bytes(), factor.keyslot))
            return fail(Code::usage, "the duress PIN is the PIN", "", "choose another one");
    return {};
}

}  // namespace

Result<Event> duress(const Request& request, UniqueFd secret_fd, UniqueFd duress_fd,
                     Channel& channel) {
    if (request.key != KeyKind::descriptor)
        return fail(
            Code::usage, name_of(request) + " has no secret that a person is asked for",
            fmt::format("it opens by '{}'", request.key == KeyKind::tpm ? "tpm2" : "device-key"));
    PMOS_TRY(check_complete(request));
    PMOS_ASSIGN(const auto right, read_pin(secret_fd.borrow()));
    std::optional<SecretBuffer> wanted;
    if (duress_fd) {
        PMOS_ASSIGN(wanted, read_duress(duress_fd, right));
    }
    PMOS_TRY(channel.catch_signals());
    PMOS_TRY(channel.progress(100, "trying the PIN"));
    PMOS_ASSIGN(auto header, Header::open(request, false));
    CryptDevice& crypt = header.crypt();
    PMOS_TRY(crypt.check_one_key());
    PMOS_ASSIGN(const Opened opened, open_judged(request, crypt, channel, right,
                                                 [&](int slot, auto passphrase) -> Result<void> {
                                                     PMOS_TRY(crypt.check_secret(passphrase, slot));
                                                     return {};
                                                 }));
    if (wanted) PMOS_TRY(check_opens_nothing(request, crypt, *wanted));
    PMOS_TRY(channel.progress(500, "writing the header"));
    PMOS_TRY(set_duress(crypt, wanted ? wanted->bytes() : std::span<const std::byte>()));
    Event event;
    event.kind = EventKind::done;
    opened.not_kept.copy(event.why, sizeof event.why - 1);
    event.provisioned = 1;
    return event;
}

}  // namespace pmos::volume
