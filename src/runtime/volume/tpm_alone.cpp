// volume: the method "tpm2": the TPM gives the passphrase out by itself, while its PCRs are as they
// were. What systemd-cryptenroll makes without a PIN, in both directions; never logs.
#include "runtime/volume/tpm_alone.h"

#include <fmt/format.h>

#include <chrono>

#include "runtime/tpm/sealed.h"
#include "runtime/volume/method.h"

namespace pmos::volume {
namespace {

std::string listed(const std::vector<int>& pcrs, std::string_view between) {
    std::string text;
    for (const int pcr : pcrs) text += fmt::format("{}{}", text.empty() ? "" : between, pcr);
    return text;
}

}  // namespace

namespace tpm_alone {

// systemd's plug-in tells only that the TPM refused. Its policy of then and the one of now tell
// why, where PCRs are all that is in it.
Result<std::string> why_refused(tpm::Tpm& tpm, const std::string& json) {
    PMOS_ASSIGN(const auto said, TokenText::parse(json));
    tpm::PcrMask pcrs = 0;
    for (const int pcr : said.numbers("tpm2-pcrs"))
        if (pcr < 24) pcrs |= 1U << static_cast<unsigned>(pcr);
    const auto bank = said.text("tpm2-pcr-bank"), wanted = said.text("tpm2-policy-hash");
    const auto unknown = "it has been cleared, is another one, or its policy does not let it";
    if ((!bank.empty() && bank != "sha256") || wanted.empty()) return std::string(unknown);
    PMOS_ASSIGN(const auto now, tpm::policy_now(tpm, pcrs));
    if (now == wanted) return std::string("it has been cleared since, or is another one");
    // A policy of somebody else's, as one by a signature, is more than its PCRs.
    if (pcrs == 0 || !said.text("tpm2_pubkey").empty()) return std::string(unknown);
    return fmt::format("the phone has started in another way than it had then: PCR {} has changed",
                       listed(said.numbers("tpm2-pcrs"), " or "));
}

}  // namespace tpm_alone

namespace {

// A driver may come after pmosd; that there is a TPM is known.
constexpr std::chrono::seconds kComesLate{5};

std::unexpected<Error> no_key(const Request& request, Code code, std::string why) {
    const auto mode = text(request.mode);
    return fail(
        code, "the TPM does not open the volume", std::move(why),
        fmt::format("open it by a recovery key (pmosctl unlock {0} --ask), then: pmosctl auth "
                    "remove {0} tpm2, pmosctl auth enroll {0} tpm2",
                    mode));
}

Result<SecretBuffer> passphrase(const Request& request, const CryptDevice& crypt,
                                const Factor& factor, const SecretBuffer&) {
    {
        const auto there = tpm::Tpm::open(tpm::kDevice, kComesLate);
        if (!there) return no_key(request, there.error().code, there.error().message());
    }
    auto found = crypt.passphrase_behind(factor.token, factor.type, {});
    // Which stands for all that a TPM refuses: nobody has entered anything.
    if (found || found.error().code != Code::wrong_secret) return found;
    PMOS_ASSIGN(auto tpm, tpm::Tpm::open(tpm::kDevice, kComesLate));
    auto why = tpm_alone::why_refused(tpm, factor.json);
    return no_key(request, Code::denied, why ? std::move(*why) : why.error().message());
}

Result<Enrolled> enroll(const Request& request, const CryptDevice&, const SecretBuffer*) {
    PMOS_ASSIGN(auto tpm, tpm::Tpm::open(tpm::kDevice, kComesLate));
    PMOS_ASSIGN(auto sealed, tpm::seal_passphrase(tpm, request.pcrs, nullptr));
    return Enrolled{std::move(sealed.token), std::move(sealed.passphrase)};
}

Result<std::string> state(const Factor& factor) {
    PMOS_ASSIGN(const auto said, TokenText::parse(factor.json));
    const auto pcrs = said.numbers("tpm2-pcrs");
    if (pcrs.empty()) return std::string("whatever was booted");
    return fmt::format("while PCR {} is as it was", listed(pcrs, ", "));
}

}  // namespace

const Method kTpmAlone{.name = "tpm2",
                       .token = "systemd-tpm2",
                       .random = true,
                       .alone = true,
                       .passphrase = passphrase,
                       .state = state,
                       .enroll = enroll};

}  // namespace pmos::volume
