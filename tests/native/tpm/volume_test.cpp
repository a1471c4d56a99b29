// tests: a volume that a PIN opens with a real, if soft, TPM's help, and what a copy of its header
// is worth.
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "runtime/tpm/nv.h"
#include "runtime/volume/enrollment.h"
#include "runtime/volume/tpm_pin.h"
#include "runtime/volume/tpm_token.h"
#include "soft_tpm.h"
#include "unit/volume/luks_file.h"
#include "unit/volume/secret_text.h"

using namespace pmos;
using namespace pmos::volume;
using Catch::Matchers::Contains;
using test::SoftTpm;

namespace {

const std::string kPin = "314159", kWrong = "271828";

// It opens by "old secret" in keyslot 0 and by the PIN in keyslot 1.
struct World : LuksFile {
    SoftTpm soft;

    World() {
        request.pbkdf_time_ms = 20;
        request.pbkdf_memory_max = 1U << 20U;
        REQUIRE(enroll_pin(kPin) == 1);
    }

    tpm::Tpm tpm() {
        auto opened = soft.open();
        REQUIRE(opened);
        return std::move(*opened);
    }
    int enroll_pin(std::string_view pin) {
        auto tpm = this->tpm();
        auto crypt = open();
        const auto key = crypt.unseal(bytes("old secret"));
        REQUIRE(key);
        const auto made = tpm_pin::enroll(tpm, request, crypt, secret_of(pin));
        INFO((made ? "" : made.error().message()));
        REQUIRE(made);
        const auto slot = enroll(request, crypt, kTpmPin, *made, key->key.bytes(), kCheap);
        REQUIRE(slot);
        return *slot;
    }
    Factor factor(int slot = 1) const {
        for (auto& f : factors_of(open(), "pin"))
            if (f.keyslot == slot) return f;
        FAIL("no such keyslot");
        return {};
    }
    // "", or why not.
    std::string enter(std::string_view pin, int slot = 1) {
        auto tpm = this->tpm();
        const auto passphrase = tpm_pin::passphrase(tpm, factor(slot).json, secret_of(pin));
        if (!passphrase) return passphrase.error().message();
        const auto opened = open().unseal(passphrase->bytes(), slot);
        return opened ? "" : opened.error().message();
    }
    std::string state(int slot = 1) {
        auto tpm = this->tpm();
        return tpm_pin::state(tpm, factor(slot).json).value_or("error");
    }
    std::size_t indices() {
        auto tpm = this->tpm();
        return tpm::nv_handles(tpm, tpm::kFirstPin, tpm::kLastPin).value().size();
    }
};

}  // namespace

TEST_CASE("a keyslot behind the TPM opens by its PIN, and the TPM counts the others") {
    World world;
    CHECK(world.factor().method == "tpm2+pin");
    CHECK(world.factor().type == "pmos-tpm");
    CHECK(world.enter(kPin).empty());
    CHECK(world.state() == "0 of 20 wrong PINs");
    CHECK_THAT(world.enter(kWrong), Contains("PIN refused: the TPM leaves 19 attempts"));
    CHECK(world.state() == "1 of 20 wrong PINs");
    CHECK(world.enter(kPin).empty());
    CHECK(world.state() == "0 of 20 wrong PINs");
    // The PIN alone is no passphrase of anything.
    CHECK_FALSE(world.opens(kPin));
    CHECK(world.opens("old secret"));
}

TEST_CASE("a header that was put back gives no try back, and nothing once the share is destroyed") {
    World world;
    const auto saved = world.path + ".saved";
    std::filesystem::copy_file(world.path, saved);
    const auto put_back = [&] {
        std::filesystem::copy_file(saved, world.path,
                                   std::filesystem::copy_options::overwrite_existing);
    };
    for (int i = 0; i < 19; ++i) {
        CHECK_THAT(world.enter(kWrong), Contains("PIN refused"));
        put_back();
    }
    CHECK(world.state() == "19 of 20 wrong PINs");
    CHECK_THAT(world.enter(kWrong), Contains("leaves 0 attempts"));
    put_back();
    CHECK_THAT(world.enter(kPin), Contains("to no PIN any more"));
    CHECK(world.state() == "the TPM accepts no PIN any more");
    {
        auto tpm = world.tpm();
        REQUIRE(tpm_pin::destroy(tpm, world.factor().json));
        REQUIRE(tpm_pin::destroy(tpm, world.factor().json));
    }
    CHECK(world.indices() == 0);
    put_back();
    CHECK_THAT(world.enter(kPin), Contains("has no share for this volume"));
    CHECK(world.state() == "the TPM has its share no more");
    CHECK(world.opens("old secret"));
    std::filesystem::remove(saved);
}

TEST_CASE("an enrolment clears away what one that was cut short has left, and nothing else") {
    World world;
    CHECK(world.indices() == 2);
    {
        auto tpm = world.tpm();
        auto stretched = secret_of("a PIN, when stretched to 32 byte");
        REQUIRE(tpm::make_share(tpm, world.open().uuid(), stretched));
        REQUIRE(tpm::make_share(tpm, "somebody else", stretched));
    }
    CHECK(world.indices() == 6);
    CHECK(world.enroll_pin(kWrong) == 2);
    CHECK(world.indices() == 6);
    CHECK(world.enter(kPin).empty());
    CHECK(world.enter(kWrong, 2).empty());
}
