// tests: a way into a volume comes and goes, cut short at every step; another program's reading of
// what comes of it.
#include "runtime/volume/enrollment.h"

#include <sys/wait.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>

#include "luks_file.h"
#include "secret_text.h"

using namespace pmos;
using namespace pmos::volume;

namespace {

CryptDevice::Unsealed unsealed(CryptDevice& crypt) {
    auto key = crypt.unseal(bytes("old secret"));
    REQUIRE(key);
    return std::move(*key);
}

Enrolled recovery(const LuksFile& volume) {
    auto made = kRecovery.enroll(volume.request, volume.open(), nullptr);
    REQUIRE(made);
    return std::move(*made);
}

std::string list(const CryptDevice& crypt) {
    std::string out;
    for (const auto& f : factors_of(crypt, "pin"))
        out += (out.empty() ? "" : " ") + f.method + "@" + std::to_string(f.keyslot);
    return out;
}

// As whoever has the phone's storage and the key elsewhere.
bool cryptsetup_opens(const std::string& path, const std::string& secret) {
    const std::string command =
        "PATH=$PATH:/usr/sbin:/sbin cryptsetup open --test-passphrase "
        "--key-file - " +
        path + " 2>/dev/null";
    FILE* pipe = ::popen(command.c_str(), "we");
    REQUIRE(pipe != nullptr);
    std::fwrite(secret.data(), 1, secret.size(), pipe);
    const int status = ::pclose(pipe);
    REQUIRE((status == 0 || WEXITSTATUS(status) == 2));
    return status == 0;
}

}  // namespace

TEST_CASE("a recovery key opens beside the secret, by the token that systemd-cryptenroll writes") {
    const LuksFile volume;
    auto crypt = volume.open();
    const auto made = recovery(volume);
    const auto slot =
        enroll(volume.request, crypt, kRecovery, made, unsealed(crypt).key.bytes(), kCheap);
    REQUIRE(slot);
    CHECK(*slot == 1);
    CHECK(list(volume.open()) == "pin@0 recovery-key@1");
    CHECK(volume.opens(text_of(made.passphrase), 1));
    CHECK(volume.opens("old secret", 0));
    CHECK(cryptsetup_opens(volume.path, text_of(made.passphrase)));
    CHECK_FALSE(cryptsetup_opens(volume.path, "another one"));
    const auto tokens = volume.open().tokens();
    REQUIRE(tokens.size() == 2);
    CHECK(tokens[1].json == R"({"type":"systemd-recovery","keyslots":["1"]})");
    REQUIRE(remove_factor(volume.request, crypt, factors_of(crypt, "pin")[1]));
    CHECK(list(volume.open()) == "pin@0");
    CHECK(volume.tokens() == 1);
    CHECK_FALSE(volume.opens(text_of(made.passphrase)));
}

TEST_CASE("a secret that was made up needs no token") {
    const LuksFile volume;
    auto crypt = volume.open();
    const auto chosen = secret_of("second secret");
    const auto made = bare_method().enroll(volume.request, crypt, &chosen);
    REQUIRE(made);
    REQUIRE(
        enroll(volume.request, crypt, bare_method(), *made, unsealed(crypt).key.bytes(), kCheap));
    CHECK(list(volume.open()) == "pin@0 pin@1");
    CHECK(volume.tokens() == 1);
    REQUIRE(settle(volume.request, crypt, 0));
    CHECK(volume.opens("second secret"));
}

TEST_CASE("an enrollment that was cut short is taken away by the next secret that opens") {
    const LuksFile volume;
    auto crypt = volume.open();
    const auto key = unsealed(crypt);
    // As enroll() does it, up to each of its steps.
    const auto token = [&] {
        return crypt.write_token(R"({"type":"systemd-recovery","keyslots":[]})");
    };
    const auto mark = [&] {
        return crypt.write_token(R"({"type":"pmos-enroll","keyslots":[],"coming":"1"})");
    };
    const auto keyslot = [&] {
        return crypt.add_keyslot(1, kCheap, key.key.bytes(), bytes("new way"));
    };
    std::string after = "pin@0";
    std::size_t tokens = 1;
    SECTION("after the token") { REQUIRE(token()); }
    SECTION("after the mark") { REQUIRE((token() && mark())); }
    SECTION("after the keyslot") { REQUIRE((token() && mark() && keyslot())); }
    SECTION("of one without a token") { REQUIRE((mark() && keyslot())); }
    SECTION("after the token is bound: it stays") {
        const auto number = token();
        REQUIRE((number && mark() && keyslot() && crypt.bind_token(*number, 1)));
        after = "pin@0 recovery-key@1";
        tokens = 2;
    }
    SECTION("a removal after the keyslot went") {
        const auto number = token();
        REQUIRE((number && keyslot() && crypt.bind_token(*number, 1) && crypt.destroy_keyslot(1)));
    }
    CHECK(volume.opens("old secret"));
    auto next = volume.open();
    REQUIRE(settle(volume.request, next, 0));
    CHECK(list(volume.open()) == after);
    CHECK(volume.tokens() == tokens);
    CHECK(volume.opens("old secret"));
    REQUIRE(settle(volume.request, next, 0));
    CHECK(volume.tokens() == tokens);
}

TEST_CASE("what opened the volume is not taken for what was cut short") {
    const LuksFile volume;
    auto crypt = volume.open();
    // Somebody else's luksAddKey took the keyslot that a mark from before speaks of.
    REQUIRE(crypt.write_token(R"({"type":"pmos-enroll","keyslots":[],"coming":"1"})"));
    REQUIRE(crypt.add_keyslot(1, kCheap, unsealed(crypt).key.bytes(), bytes("by hand")));
    REQUIRE(settle(volume.request, crypt, 1));
    CHECK(volume.opens("by hand"));
    CHECK(volume.tokens() == 1);
}

TEST_CASE("without a keyslot left nothing is enrolled and nothing of it stays") {
    const LuksFile volume;
    auto crypt = volume.open();
    const auto key = unsealed(crypt);
    while (const auto free = crypt.free_keyslot())
        REQUIRE(crypt.add_keyslot(*free, kCheap, key.key.bytes(), bytes("filler")));
    const auto full =
        enroll(volume.request, crypt, kRecovery, recovery(volume), key.key.bytes(), kCheap);
    REQUIRE_FALSE(full);
    CHECK(full.error().code == Code::no_space);
    CHECK(volume.tokens() == 1);
}
