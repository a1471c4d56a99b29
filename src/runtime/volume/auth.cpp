// volume: who can open a volume, and whether a secret does. Opens none, changes nothing.
#include <fmt/core.h>

#include "runtime/volume/escrow.h"
#include "runtime/volume/header.h"
#include "runtime/volume/method.h"
#include "runtime/volume/opening.h"
#include "runtime/volume/worker.h"

namespace pmos::volume {
namespace {

Result<void> tell_factor(const Request& request, const Factor& factor, Channel& channel) {
    const auto tell = [&](const char* name, std::string_view value) -> Result<void> {
        if (value.empty()) return {};
        return channel.detail(fmt::format("keyslot.{}.{}", factor.keyslot, name), value);
    };
    PMOS_TRY(tell("method", factor.method));
    PMOS_TRY(tell("allowed", refusal(request, factor).empty() ? "yes" : "no"));
    PMOS_TRY(tell("refusal", refusal(request, factor)));
    PMOS_TRY(tell("token", factor.type));
    if (factor.token < 0) return {};
    PMOS_ASSIGN(const auto said, TokenText::parse(factor.json));
    PMOS_TRY(tell("since", said.text("since")));
    const Method* method = method_of(factor);
    if (method != nullptr && method->state != nullptr) {
        const auto state = method->state(factor);
        PMOS_TRY(tell("state", state ? *state : state.error().message()));
    }
    if (factor.type != "pmos-escrow") return {};
    PMOS_TRY(tell("key", said.text("key")));
    return tell("sealed", said.text("sealed"));
}

}  // namespace

Result<Event> auth_list(const Request& request, Channel& channel) {
    PMOS_TRY(check_complete(request));
    PMOS_ASSIGN(auto header, Header::open(request, true));
    PMOS_TRY(channel.detail("unlock", text(request.methods)));
    if (const auto escrow = text(request.escrow); !escrow.empty()) {
        PMOS_ASSIGN(const std::string fingerprint, fingerprint_of(escrow));
        PMOS_TRY(channel.detail("escrow", fingerprint));
    }
    for (const auto& factor : factors_of(header.crypt(), bare_name(request)))
        PMOS_TRY(tell_factor(request, factor, channel));
    Event event;
    event.kind = EventKind::done;
    event.provisioned = 1;
    return event;
}

Result<Event> auth_test(const Request& request, UniqueFd secret_fd, Channel& channel) {
    PMOS_TRY(check_complete(request));
    PMOS_ASSIGN(const auto secret, read_secret_of(request, secret_fd));
    PMOS_TRY(channel.catch_signals());
    PMOS_ASSIGN(auto header, Header::open(request, true));
    CryptDevice& crypt = header.crypt();
    PMOS_TRY(channel.progress(100, opening_step(request, crypt, secret, "trying the secret")));
    PMOS_ASSIGN(const Opened opened, open_judged(request, crypt, channel, secret,
                                                 [&](int slot, auto passphrase) -> Result<void> {
                                                     PMOS_TRY(crypt.check_secret(passphrase, slot));
                                                     return {};
                                                 }));
    PMOS_TRY(channel.detail("method", opened.method));
    PMOS_TRY(channel.detail("keyslot", std::to_string(opened.keyslot)));
    Event event;
    event.kind = EventKind::done;
    event.provisioned = 1;
    opened.not_kept.copy(event.why, sizeof event.why - 1);
    return event;
}

}  // namespace pmos::volume
