// tests: the token of a keyslot behind the TPM: there and back, and nothing else is believed.
#include "runtime/volume/tpm_token.h"

#include <catch2/catch.hpp>

#include "runtime/volume/factor.h"
#include "secret_text.h"

using namespace pmos;
using namespace pmos::volume;

namespace {

TpmToken token() {
    TpmToken token;
    token.share.space = {tpm::kFirstPin + 0x20, "7d2f0a6e-0000-4000-8000-000000000001"};
    token.share.key.fill(std::byte{0xa5});
    token.salt.fill(std::byte{0x0f});
    token.cost = {"argon2id", 7, 65536, 2};
    return token;
}

std::string with(std::string_view before, std::string_view after) {
    return changed(token().text(), before, after);
}

}  // namespace

TEST_CASE("a token for the TPM comes back as it was") {
    const auto text = token().text();
    const auto parsed = TpmToken::parse(text);
    REQUIRE(parsed);
    CHECK(parsed->text() == text);
    CHECK(parsed->share.space.handle == token().share.space.handle);
    CHECK(parsed->share.space.owner == token().share.space.owner);
    CHECK(parsed->share.key == token().share.key);
    CHECK(parsed->salt == token().salt);
    CHECK(parsed->cost.memory_kib == 65536);
    CHECK(TokenText::parse(text)->type() == kTpmToken);
}

TEST_CASE("a token for the TPM that is damaged, or another one, is refused") {
    const auto handle = std::to_string(tpm::kFirstPin + 0x20);
    for (const auto& bad :
         {with("pmos-tpm", "pmos"), with(handle, std::to_string(tpm::kFirstPin - 2)),
          with(handle, std::to_string(tpm::kLastPin + 1)),
          with(handle, std::to_string(tpm::kFirstPin + 1)), with(handle, ""), with(handle, "-2"),
          with("7d2f", std::string(64, '7')), with("a5a5", "a5a"), with("0f0f", "0f0f0f"),
          with("0f0f", "0x0f"), with("argon2id", "pbkdf2"), with("\"65536\"", "\"15\""),
          with("\"65536\"", "\"99999999999\""), with("\"7\"", "\"0\""), with("\"2\"", "\"65\""),
          with("salt", "satl"), std::string("{}"), std::string()}) {
        INFO(bad);
        const auto parsed = TpmToken::parse(bad);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error().code == Code::failed);
    }
    const auto later = TpmToken::parse(with("\"version\":\"1\"", "\"version\":\"2\""));
    REQUIRE_FALSE(later);
    CHECK(later.error().code == Code::unsupported);
}
