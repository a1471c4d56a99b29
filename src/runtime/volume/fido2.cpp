// volume: the method "fido2": an authenticator, its PIN and a touch. Counts nothing itself: the
// authenticator does, beside what judge.h does.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "runtime/volume/authenticator.h"
#include "runtime/volume/fido2_token.h"
#include "runtime/volume/method.h"
#include "runtime/volume/recovery.h"

namespace pmos::volume {
namespace {

constexpr std::size_t kMostPin = 63;  // of CTAP, in bytes

bool fits(const SecretBuffer& entered) {
    const auto bytes = entered.bytes();
    return bytes.size() <= kMostPin && std::ranges::count(bytes, std::byte{0}) == 0 &&
           !normal_recovery_key(entered);
}

std::unexpected<Error> none_for_it(std::size_t there) {
    return fail(Code::not_found, "no authenticator for the volume is plugged in",
                there == 1
                    ? "the one that is there was not enrolled for it"
                    : fmt::format("none of the {} that are there was enrolled for it", there),
                "plug in the one that was");
}

// The one that made the token's credential: another one would count the PIN as a wrong one.
Result<Authenticator> find_maker(const Fido2Token& token) {
    using enum Authenticator::Made;
    PMOS_ASSIGN(auto all, Authenticator::all());
    std::vector<Authenticator> silent;
    std::optional<Error> mute;
    for (auto& one : all) {
        auto made = one.made(token);
        if (made && *made == yes) return std::move(one);
        if (made && *made == unsaid) silent.push_back(std::move(one));
        if (made) continue;
        if (made.error().code == Code::cancelled) return fail(std::move(made.error()));
        mute = std::move(made.error());
    }
    if (silent.size() == 1) return std::move(silent.front());
    if (!silent.empty())
        return fail(Code::busy, fmt::format("{} authenticators are plugged in", silent.size()),
                    "without a PIN they do not say which of them was enrolled",
                    "leave the one that was");
    if (mute) return fail(std::move(*mute));
    return none_for_it(all.size());
}

Result<SecretBuffer> passphrase(const Request&, const CryptDevice&, const Factor& factor,
                                const SecretBuffer& entered) {
    PMOS_ASSIGN(const auto token, Fido2Token::parse(factor.json));
    // Whatever was typed would do.
    if (!token.pin)
        return fail(Code::unsupported, "the volume's token for an authenticator is not used",
                    "it has no PIN, and pmos asks for one",
                    "enroll anew: systemd-cryptenroll --fido2-with-client-pin=yes");
    PMOS_ASSIGN(auto authenticator, find_maker(token));
    return authenticator.passphrase(token, entered);
}

Result<bool> opens_already(const CryptDevice& crypt, Authenticator& authenticator) {
    for (const auto& other : crypt.tokens()) {
        const auto token = Fido2Token::parse(other.json);
        if (!token) continue;
        PMOS_ASSIGN(const auto made, authenticator.made(*token));
        if (made == Authenticator::Made::yes) return true;
    }
    return false;
}

// Beside it there may be those that open the volume: by one of them it has just been opened.
Result<Authenticator> the_new_one(const CryptDevice& crypt) {
    PMOS_ASSIGN(auto all, Authenticator::all());
    std::vector<Authenticator> fresh;
    for (auto& one : all) {
        PMOS_ASSIGN(const bool known, opens_already(crypt, one));
        if (!known) fresh.push_back(std::move(one));
    }
    if (fresh.empty())
        return fail(Code::already_exists, all.size() == 1
                                              ? "this authenticator opens the volume already"
                                              : "these authenticators open the volume already");
    if (fresh.size() > 1)
        return fail(Code::busy, fmt::format("{} new authenticators are plugged in", fresh.size()),
                    "", "leave the one that is to open the volume");
    if (!fresh.front().has_pin())
        return fail(Code::unsupported, "the authenticator has no PIN",
                    "whoever finds it would open the volume", "set one: fido2-token -S DEVICE");
    return std::move(fresh.front());
}

Result<Enrolled> enroll(const Request&, const CryptDevice& crypt, const SecretBuffer* chosen) {
    if (chosen == nullptr) return fail(Code::usage, "no PIN of the authenticator was given");
    if (!fits(*chosen))
        return fail(Code::usage, "that is no PIN of an authenticator",
                    fmt::format("it has {} bytes at most", kMostPin));
    PMOS_ASSIGN(auto authenticator, the_new_one(crypt));
    PMOS_ASSIGN(const auto token, authenticator.enroll(crypt.uuid(), *chosen));
    PMOS_ASSIGN(auto secret, authenticator.passphrase(token, *chosen));
    return Enrolled{token.text(), std::move(secret)};
}

Result<std::string> state(const Factor& factor) {
    PMOS_ASSIGN(const auto token, Fido2Token::parse(factor.json));
    if (!token.pin) return std::string("asks for no PIN: pmos does not open by it");
    return std::string(token.touch ? "its PIN and a touch" : "its PIN");
}

}  // namespace

const Method kFido2{.name = "fido2",
                    .token = kFido2Token,
                    .random = true,
                    .chosen = true,
                    .several = true,
                    .counts = true,
                    .asks = "touch the authenticator when it blinks",
                    .fits = fits,
                    .passphrase = passphrase,
                    .state = state,
                    .enroll = enroll};

}  // namespace pmos::volume
