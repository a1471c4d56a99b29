// volume: another way into a volume, or one less, for who can open it. Never maps it, never logs.
#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "policy/names.h"
#include "runtime/volume/cost.h"
#include "runtime/volume/duress.h"
#include "runtime/volume/enrollment.h"
#include "runtime/volume/escrow.h"
#include "runtime/volume/header.h"
#include "runtime/volume/key.h"
#include "runtime/volume/opening.h"
#include "runtime/volume/worker.h"

namespace pmos::volume {
namespace {

constexpr std::string_view kEscrowName = "escrow";

// A volume whose key was taken out by a way that opens it.
struct Unlocked {
    Header header;
    CryptDevice::Unsealed unsealed;
    Opened opened;

    static Result<Unlocked> by(const Request& request, const UniqueFd& secret_fd,
                               Channel& channel) {
        PMOS_TRY(check_complete(request));
        PMOS_ASSIGN(const auto secret, read_secret_of(request, secret_fd));
        PMOS_TRY(channel.catch_signals());
        PMOS_ASSIGN(auto header, Header::open(request, false));
        CryptDevice& crypt = header.crypt();
        PMOS_TRY(channel.progress(100, opening_step(request, crypt, secret, "trying the secret")));
        PMOS_TRY(crypt.check_one_key());
        std::optional<CryptDevice::Unsealed> unsealed;
        PMOS_ASSIGN(auto opened, open_judged(request, crypt, channel, secret,
                                             [&](int slot, auto passphrase) -> Result<void> {
                                                 PMOS_ASSIGN(unsealed,
                                                             crypt.unseal(passphrase, slot));
                                                 return {};
                                             }));
        PMOS_TRY(settle(request, crypt, opened.keyslot));
        return Unlocked{std::move(header), std::move(*unsealed), std::move(opened)};
    }
};

Event done(const Opened& opened) {
    Event event;
    event.kind = EventKind::done;
    event.provisioned = 1;
    opened.not_kept.copy(event.why, sizeof event.why - 1);
    return event;
}

// A pipe: what is in it is nowhere when both ends are gone.
Result<void> check_pipe(const UniqueFd& pipe) {
    struct stat st {};
    if (pipe && ::fstat(pipe.get(), &st) == 0 && S_ISFIFO(st.st_mode)) return {};
    return fail(Code::usage, "there is no pipe to tell the new secret by");
}

Result<void> tell(const UniqueFd& pipe, const SecretBuffer& secret) {
    constexpr int kPatienceMs = 5000;
    ::signal(SIGPIPE, SIG_IGN);
    pollfd writable{pipe.get(), POLLOUT, 0};
    if (::poll(&writable, 1, kPatienceMs) != 1)
        return fail(Code::timed_out, "nobody takes the new secret");
    const auto bytes = secret.bytes();
    if (::write(pipe.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()))
        return {};
    return fail(errno_error(errno, "cannot tell the new secret"));
}

Result<const Method*> wanted_method(const Request& request) {
    const auto name = text(request.factor);
    const Method* method = method_of_name(name);
    if (method == nullptr || method->enroll == nullptr || name == "device-key")
        return fail(Code::unsupported, fmt::format("'{}' cannot be enrolled", name), "",
                    "see pmosctl auth --help for what can");
    const auto allowed = policy::split_list(text(request.methods));
    const Factor wanted{std::string(name), -1, method->token.empty() ? -1 : 0,
                        std::string(method->token), ""};
    const bool named = std::ranges::count(allowed, name) != 0;
    if (const auto why = refusal(request, wanted); named && !why.empty())
        return fail(Code::denied, fmt::format("'{}' is not enrolled", name), std::string(why),
                    "enroll tpm2+pin");
    if (named) return method;
    return fail(Code::denied,
                fmt::format("the profile does not let '{}' open {}", name, name_of(request)), "",
                name == kEscrowName ? "name the public key in the volume's 'escrow'"
                                    : "add it to the volume's 'unlock'");
}

// Of most methods there is one; of escrow one for each public key, so that another can follow.
bool is_same(const Request& request, const Method& method, const Factor& factor) {
    if (factor.type != method.token || method.several) return false;
    if (factor.token >= 0 && factor.method != method.name) return false;
    if (method.name != kEscrowName) return true;
    const auto said = TokenText::parse(factor.json);
    const auto fingerprint = fingerprint_of(text(request.escrow));
    return said && fingerprint && said->text("key") == *fingerprint;
}

Result<void> check_new(const Request& request, const CryptDevice& crypt, const Method& method) {
    for (const auto& factor : factors_of(crypt, bare_name(request)))
        if (is_same(request, method, factor))
            return fail(Code::already_exists,
                        fmt::format("{} opens by '{}' already", name_of(request), factor.method),
                        fmt::format("in keyslot {}", factor.keyslot),
                        method.token.empty()
                            ? fmt::format("change it: pmosctl volume passwd {}", text(request.mode))
                            : fmt::format("take it away first: pmosctl auth remove {} {}",
                                          text(request.mode), factor.keyslot));
    return {};
}

Result<std::optional<SecretBuffer>> read_chosen(const Method& method, const UniqueFd& fd) {
    if (!method.chosen) return std::optional<SecretBuffer>();
    PMOS_ASSIGN(auto secret, read_pin(fd.borrow()));
    if (secret.bytes().size() < kMinSecret)
        return fail(Code::usage, "the new secret is too short", "",
                    fmt::format("choose one of {} characters or more", kMinSecret));
    return std::optional<SecretBuffer>(std::move(secret));
}

Result<Factor> find_factor(const Request& request, const std::vector<Factor>& factors) {
    const auto what = text(request.factor);
    std::vector<Factor> found;
    for (const auto& factor : factors)
        if (factor.method == what || std::to_string(factor.keyslot) == what)
            found.push_back(factor);
    if (found.size() == 1) return found.front();
    return fail(found.empty() ? Code::not_found : Code::usage,
                fmt::format("{} ways into {} are called '{}'", found.empty() ? "no" : "several",
                            name_of(request), what),
                "", fmt::format("name the keyslot: pmosctl auth list {}", text(request.mode)));
}

// What stays must open the volume for who is at the phone: the holder of an escrow key is not.
Result<void> check_may_go(const Request& request, const std::vector<Factor>& factors,
                          const Factor& gone) {
    if (gone.type == kEscrow.token && !text(request.escrow).empty() &&
        is_same(request, kEscrow, gone))
        return fail(Code::denied,
                    fmt::format("the profile demands an escrow of {}", name_of(request)), "",
                    "take 'escrow' out of the profile first");
    const auto stays = [&](const Factor& f) {
        return f.keyslot != gone.keyslot && f.type != kEscrow.token && may_open(request, f);
    };
    if (std::ranges::any_of(factors, stays)) return {};
    return fail(
        Code::denied, fmt::format("'{}' is the last way into {}", gone.method, name_of(request)),
        "",
        fmt::format("enroll another one first: pmosctl auth enroll {} METHOD", text(request.mode)));
}

}  // namespace

Result<Event> auth_enroll(const Request& request, UniqueFd secret, UniqueFd other,
                          Channel& channel) {
    PMOS_ASSIGN(const Method* method, wanted_method(request));
    if (method->told) PMOS_TRY(check_pipe(other));
    PMOS_ASSIGN(const auto chosen, read_chosen(*method, other));
    PMOS_ASSIGN(auto volume, Unlocked::by(request, secret, channel));
    CryptDevice& crypt = volume.header.crypt();
    PMOS_TRY(check_new(request, crypt, *method));
    if (chosen) PMOS_TRY(check_not_duress(crypt, chosen->bytes()));
    PMOS_TRY(
        channel.progress(400, method->asks.empty() ? "making the keyslot's secret" : method->asks));
    PMOS_ASSIGN(const Enrolled enrolled,
                method->enroll(request, crypt, chosen ? &*chosen : nullptr));
    PMOS_TRY(channel.progress(500, "writing the keyslot"));
    PMOS_ASSIGN(const int slot, enroll(request, crypt, *method, enrolled,
                                       volume.unsealed.key.bytes(), cost_of(request)));
    auto told = channel.detail("keyslot", std::to_string(slot));
    if (told && chosen) told = ensure_duress_mark(crypt);
    if (told && method->told) told = tell(other, enrolled.passphrase);
    if (told) return done(volume.opened);
    Error cause = std::move(told.error());
    for (const auto& factor : factors_of(crypt, bare_name(request)))
        if (factor.keyslot == slot)
            if (auto gone = remove_factor(request, crypt, factor); !gone)
                cause.undo_failures.push_back(std::move(gone.error()));
    return fail(std::move(cause));
}

Result<Event> auth_remove(const Request& request, UniqueFd secret, Channel& channel) {
    PMOS_ASSIGN(auto volume, Unlocked::by(request, secret, channel));
    CryptDevice& crypt = volume.header.crypt();
    const auto factors = factors_of(crypt, bare_name(request));
    PMOS_ASSIGN(const Factor gone, find_factor(request, factors));
    PMOS_TRY(check_may_go(request, factors, gone));
    PMOS_TRY(channel.progress(500, "destroying the keyslot"));
    PMOS_TRY(remove_factor(request, crypt, gone));
    PMOS_TRY(channel.detail("method", gone.method));
    PMOS_TRY(channel.detail("keyslot", std::to_string(gone.keyslot)));
    return done(volume.opened);
}

}  // namespace pmos::volume
