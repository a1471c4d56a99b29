// tests: systemd's enrolments in a real, if soft, TPM: what systemd-cryptenroll made, pmos opens.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <cstring>

#include "runtime/tpm/sealed.h"
#include "runtime/volume/crypt.h"
#include "runtime/volume/tpm_alone.h"
#include "soft_tpm.h"

using namespace pmos;
using namespace pmos::volume;
using Catch::Matchers::Contains;
using test::SoftTpm;

namespace {

constexpr const char* kType = "systemd-tpm2";

// What systemd 252 hands its own plug-in; without it the plug-in looks for /dev/tpmrm0.
struct Place {
    std::uint32_t any_pcrs = UINT32_MAX;
    const char* device;
};

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

// A volume that a passphrase opens in keyslot 0, and in 1 what systemd-cryptenroll makes.
CryptDevice volume_in(const SoftTpm& soft, const std::string& how, const std::string& pin = "") {
    const auto volume = soft.directory() + "/volume";
    INFO(
        "cryptsetup and systemd-cryptenroll (Debian's packages cryptsetup-bin, systemd) are "
        "needed");
    REQUIRE(soft.tool("umask 77 && truncate -s 20M volume && printf 'a passphrase' >key && "
                      "cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 "
                      "--pbkdf-force-iterations 1000 volume key") == 0);
    REQUIRE(soft.tool(fmt::format("NEWPIN={} systemd-cryptenroll --unlock-key-file=$PWD/key "
                                  "--tpm2-device={} {} volume",
                                  pin, soft.name(), how)) == 0);
    auto opened = CryptDevice::of_device(volume);
    REQUIRE(opened);
    REQUIRE(opened->load());
    REQUIRE(opened->is_keyslot(1));
    return std::move(*opened);
}

Result<SecretBuffer> passphrase_in(const SoftTpm& soft, const CryptDevice& crypt,
                                   std::string_view pin) {
    // After a refusal systemd leaves its sessions behind; on a phone the kernel's resource manager
    // clears them away.
    REQUIRE(soft.tool("tpm2_flushcontext -l && tpm2_flushcontext -t") == 0);
    const std::string name = soft.name();
    Place place{UINT32_MAX, name.c_str()};
    return crypt.passphrase_behind(0, kType, bytes_of(pin), &place);
}

std::string why_refused(SoftTpm& soft, const CryptDevice& crypt) {
    REQUIRE(soft.tool("tpm2_flushcontext -l && tpm2_flushcontext -t") == 0);
    auto tpm = soft.open();
    REQUIRE(tpm);
    return tpm_alone::why_refused(*tpm, crypt.tokens().front().json).value_or("error");
}

std::string code_of(const Result<SecretBuffer>& result) {
    return result ? "opens" : std::string(code_info(result.error().code).bus_name);
}

}  // namespace

TEST_CASE("what systemd enrolled with a PIN opens by that PIN, and by no other") {
    const SoftTpm soft;
    auto crypt = volume_in(soft, "--tpm2-with-pin=yes --tpm2-pcrs=", "314159");
    const auto passphrase = passphrase_in(soft, crypt, "314159");
    INFO((passphrase ? "" : passphrase.error().message()));
    REQUIRE(passphrase);
    const auto unsealed = crypt.unseal(passphrase->bytes());
    REQUIRE(unsealed);
    CHECK(unsealed->keyslot == 1);
    CHECK(code_of(passphrase_in(soft, crypt, "271828")) == code_info(Code::wrong_secret).bus_name);
    CHECK(code_of(passphrase_in(soft, crypt, "")) == code_info(Code::wrong_secret).bus_name);
    // It is the TPM's lockout that ends guessing, of all that it protects.
    int guesses = 0;
    std::string code;
    while (guesses++ < 50 && code != code_info(Code::busy).bus_name)
        code = code_of(passphrase_in(soft, crypt, "271828"));
    CHECK(guesses < 50);
    CHECK(code_of(passphrase_in(soft, crypt, "314159")) == code_info(Code::busy).bus_name);
}

TEST_CASE("what systemd enrolled without a PIN opens while the phone is as it was") {
    SoftTpm soft;
    auto crypt = volume_in(soft, "--tpm2-pcrs=7");
    const auto passphrase = passphrase_in(soft, crypt, "");
    INFO((passphrase ? "" : passphrase.error().message()));
    REQUIRE(passphrase);
    CHECK(crypt.unseal(passphrase->bytes()));
    REQUIRE(soft.tool("tpm2_pcrextend 7:sha256="
                      "0000000000000000000000000000000000000000000000000000000000000001") == 0);
    const auto refused = passphrase_in(soft, crypt, "");
    INFO((refused ? "" : refused.error().message()));
    CHECK_FALSE(refused);
    CHECK(why_refused(soft, crypt) ==
          "the phone has started in another way than it had then: PCR 7 has changed");
}

TEST_CASE("why a TPM gives nothing out is told by the policy of then") {
    SoftTpm soft;
    const auto crypt = volume_in(soft, "--tpm2-pcrs=0+7");
    REQUIRE(passphrase_in(soft, crypt, ""));
    REQUIRE(soft.tool("tpm2_flushcontext -t && tpm2_clear") == 0);
    CHECK_FALSE(passphrase_in(soft, crypt, ""));
    CHECK(why_refused(soft, crypt) == "it has been cleared since, or is another one");
    auto tpm = soft.open();
    REQUIRE(tpm);
    const auto unknown = tpm_alone::why_refused(
        *tpm, R"({"type":"systemd-tpm2","keyslots":[],"tpm2-pcrs":[7],"tpm2-pcr-bank":"sha1"})");
    CHECK(unknown.value().find("or its policy does not let it") != std::string::npos);
}

TEST_CASE("a token of systemd's on a phone without its TPM, or no token at all") {
    const SoftTpm soft;
    auto crypt = volume_in(soft, "--tpm2-pcrs=");
    const auto without = crypt.passphrase_behind(0, kType, {});
    REQUIRE_FALSE(without);
    CHECK(without.error().code == Code::not_found);
    const SoftTpm another;
    CHECK_FALSE(passphrase_in(another, crypt, ""));
    CHECK(crypt.passphrase_behind(1, kType, {}).error().code == Code::usage);
    // A header does not choose what is loaded.
    CHECK(crypt.passphrase_behind(0, "../../tmp/evil", {}).error().code == Code::usage);
    REQUIRE(crypt.write_token(R"({"type":"../evil","keyslots":["1"]})"));
    const auto evil = crypt.passphrase_behind(1, kType, {});
    REQUIRE_FALSE(evil);
    CHECK(evil.error().code == Code::usage);
}

TEST_CASE("what pmos seals is a token of systemd's, and its plug-in opens it") {
    SoftTpm soft;
    auto pin = SecretBuffer::make(6);
    REQUIRE(pin);
    std::memcpy(pin->storage().data(), "161803", 6);
    pin->set_size(6);
    auto crypt = volume_in(soft, "--tpm2-pcrs=");
    const auto key = crypt.unseal(bytes_of("a passphrase"));
    REQUIRE(key);
    for (const auto& [pcrs, secret] : {std::pair<tpm::PcrMask, SecretBuffer*>{0, &*pin},
                                       {1U << 7U | 1U << 11U, &*pin},
                                       {1U << 7U, nullptr}}) {
        auto tpm = soft.open();
        REQUIRE(tpm);
        auto sealed = tpm::seal_passphrase(*tpm, pcrs, secret);
        INFO((sealed ? "" : sealed.error().message()));
        REQUIRE(sealed);
        const auto slot = crypt.free_keyslot();
        REQUIRE(slot);
        REQUIRE(crypt.add_keyslot(*slot, {.type = "pbkdf2", .minimal = true}, key->key.bytes(),
                                  sealed->passphrase.bytes()));
        auto token = sealed->token;
        token.replace(token.find("[]"), 2, fmt::format(R"(["{}"])", *slot));
        REQUIRE(crypt.remove_token(0));
        REQUIRE(crypt.write_token(token));
        const auto passphrase = passphrase_in(soft, crypt, secret != nullptr ? "161803" : "");
        INFO((passphrase ? "" : passphrase.error().message()));
        REQUIRE(passphrase);
        CHECK(std::ranges::equal(passphrase->bytes(), sealed->passphrase.bytes()));
        CHECK(crypt.unseal(passphrase->bytes())->keyslot == *slot);
        if (secret != nullptr) CHECK_FALSE(passphrase_in(soft, crypt, "314159"));
        CHECK(soft.heard.find(std::string_view(
                  reinterpret_cast<const char*>(sealed->passphrase.bytes().data()), 8)) ==
              soft.heard.npos);
    }
}
