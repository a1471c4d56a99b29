// tests: who can open a volume, as its header says; what tokens may say is not believed.
#include "runtime/volume/factor.h"

#include <catch2/catch.hpp>

#include "luks_file.h"

using namespace pmos;
using namespace pmos::volume;

namespace {

std::string list(const CryptDevice& crypt) {
    std::string out;
    for (const auto& f : factors_of(crypt, "pin"))
        out += (out.empty() ? "" : " ") + f.method + "@" + std::to_string(f.keyslot);
    return out;
}

}  // namespace

TEST_CASE("a keyslot without a token is the profile's secret, one with a token is not") {
    const LuksFile volume;
    CHECK(list(volume.open()) == "pin@0");
    struct Row {
        const char *token, *method;
    };
    for (
        const auto& [token, method] : {
            Row{R"({"type":"systemd-recovery","keyslots":["1"]})", "recovery-key"},
            Row{R"({"type":"pmos-escrow","keyslots":["1"],"key":"x"})", "escrow"},
            Row{R"({"type":"systemd-tpm2","keyslots":["1"],"tpm2-pin":true,"tpm2-blob":"","tpm2-pcrs":[],"tpm2-policy-hash":""})",
                "tpm2+pin"},
            Row{R"({"type":"systemd-tpm2","keyslots":["1"],"tpm2-blob":"","tpm2-pcrs":[],"tpm2-policy-hash":""})",
                "tpm2"},
            Row{R"({"type":"systemd-fido2","keyslots":["1"],"fido2-credential":"","fido2-salt":"","fido2-rp":"x"})",
                "fido2"},
            Row{R"({"type":"somebody-else","keyslots":["1"]})", "somebody-else"},
        }) {
        auto crypt = volume.open();
        auto old = crypt.unseal(bytes("old secret"));
        REQUIRE(old);
        REQUIRE(crypt.add_keyslot(1, kCheap, old->key.bytes(), bytes("another")));
        CHECK(list(crypt) == "pin@0 pin@1");
        const auto number = crypt.write_token(token);
        INFO(token);
        REQUIRE(number);
        CHECK(list(volume.open()) == "pin@0 " + std::string(method) + "@1");
        REQUIRE(crypt.destroy_keyslot(1));
        CHECK(list(volume.open()) == "pin@0");
        REQUIRE(crypt.remove_token(*number));
    }
}

TEST_CASE("a token says what it says, or nothing") {
    const auto token = TokenText::parse(
        R"({"type":"pmos-escrow","keyslots":["3","12","x","-1","1 "],"key":"abc","on":true,"n":5,)"
        R"("pcrs":[7,-1,99999999999,"3",11]})");
    REQUIRE(token);
    CHECK(token->type() == "pmos-escrow");
    CHECK(token->keyslots() == std::vector{3, 12});
    CHECK(token->text("key") == "abc");
    CHECK(token->text("n").empty());
    CHECK(token->text("nothing").empty());
    CHECK(token->numbers("pcrs") == std::vector{7, 11});
    CHECK(token->numbers("n").empty());
    CHECK(token->flag("on"));
    CHECK_FALSE(token->flag("key"));
    for (const char* bad : {"", "{", "[]", "{}", R"({"type":1,"keyslots":[]})", R"({"type":"a"})",
                            R"({"type":"a","type":"b","keyslots":[]})"})
        CHECK_FALSE(TokenText::parse(bad));
}
