// tests: the token of a keyslot behind an authenticator: there and back, as systemd has it, and
// nothing else is believed.
#include "runtime/volume/fido2_token.h"

#include <catch2/catch.hpp>

#include "runtime/volume/factor.h"
#include "secret_text.h"

using namespace pmos;
using namespace pmos::volume;

namespace {

using Bytes = std::vector<unsigned char>;

const std::string kSalt = "Dw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8=";  // 32 times 0x0f

Fido2Token token() {
    Fido2Token token;
    token.credential = {0xfb, 0xff, 0x00, 0x01};
    token.salt = Bytes(Fido2Token::kSaltBytes, 0x0f);
    return token;
}

std::string with(std::string_view before, std::string_view after) {
    return changed(token().text(), before, after);
}

}  // namespace

TEST_CASE("a token for an authenticator is what systemd-cryptenroll writes, and comes back") {
    const auto text = token().text();
    CHECK(text ==
          R"({"type":"systemd-fido2","keyslots":[],"fido2-credential":"+/8AAQ==","fido2-salt":")" +
              kSalt +
              R"(","fido2-rp":"io.systemd.cryptsetup","fido2-clientPin-required":true,)"
              R"("fido2-up-required":true,"fido2-uv-required":false})");
    const auto parsed = Fido2Token::parse(text);
    REQUIRE(parsed);
    CHECK(parsed->text() == text);
    CHECK(parsed->credential == token().credential);
    CHECK(parsed->salt == token().salt);
    CHECK(TokenText::parse(text)->type() == kFido2Token);
}

TEST_CASE("a token for an authenticator says what it was asked for") {
    // As libcryptsetup may give it back.
    const auto escaped = Fido2Token::parse(with("+/8AAQ==", R"(+\/8AAQ==)"));
    REQUIRE(escaped);
    CHECK(escaped->credential == token().credential);
    const auto other = Fido2Token::parse(with("io.systemd.cryptsetup", "example.org"));
    REQUIRE(other);
    CHECK(other->rp == "example.org");
    const auto without = Fido2Token::parse(with("true,\"fido2-up-required\":true", "false"));
    REQUIRE(without);
    CHECK_FALSE(without->pin);
    CHECK_FALSE(without->touch);
    // What systemd 248 wrote says nothing of a PIN.
    const auto old = Fido2Token::parse(
        R"({"type":"systemd-fido2","keyslots":["1"],"fido2-credential":"+/8AAQ==","fido2-salt":")" +
        kSalt + R"("})");
    REQUIRE(old);
    CHECK(old->rp == token().rp);
    CHECK_FALSE(old->pin);
}

TEST_CASE("a token for an authenticator that is damaged, or another one, is refused") {
    for (const auto& bad :
         {with("systemd-fido2", "systemd-tpm2"), with("+/8AAQ==", ""), with("+/8AAQ==", "+/8AAQ"),
          with("+/8AAQ==", "-_8AAQ=="), with("+/8AAQ==", std::string(4000, 'A')),
          with("Dw8P", "Dw8PDw8P"), with("Dw8P", ""), with("Dw8P", "!w8P"),
          with("io.systemd.cryptsetup", std::string(300, 'a')), std::string("{")}) {
        INFO(bad);
        CHECK_FALSE(Fido2Token::parse(bad));
    }
}
