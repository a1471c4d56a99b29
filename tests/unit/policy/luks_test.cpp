// tests: what a volume can be made of, and what deriving its key may take of a phone.
#include "policy/luks.h"

#include <catch2/catch.hpp>

#include "policy/policy_set.h"
#include "support.h"

using namespace pmos;
using namespace pmos::policy;

namespace {

constexpr std::uint64_t kMiB = 1 << 20;

std::string with_cipher(const std::string& cipher, int key_size) {
    return ", \"volumes\": [{\"name\": \"d\", \"target\": \"/d\", \"size\": \"64MiB\", "
           "\"unlock\": [\"pin\"], \"luks\": {\"cipher\": \"" +
           cipher + "\", \"keySize\": " + std::to_string(key_size) + "}}]";
}

}  // namespace

TEST_CASE("a key derivation is bounded by what is free, and by what has a floor") {
    CHECK(fit_kdf("argon2id", 256 * kMiB, 4096 * kMiB, 2).memory == 256 * kMiB);
    CHECK(fit_kdf("argon2id", 256 * kMiB, 600 * kMiB, 2).memory == 150 * kMiB);
    CHECK(fit_kdf("argon2id", 0, 400 * kMiB, 2).memory == 100 * kMiB);
    CHECK(fit_kdf("argon2id", 256 * kMiB, 8 * kMiB, 2).memory == 16 * kMiB);
    CHECK(fit_kdf("argon2id", 4 * kMiB, 8 * kMiB, 2).memory == 4 * kMiB);
}

TEST_CASE("a key derivation has a lane for each CPU, as far as LUKS2 knows them") {
    CHECK(fit_kdf("argon2id", kMiB, kMiB, 0).lanes == 1);
    CHECK(fit_kdf("argon2id", kMiB, kMiB, 3).lanes == 3);
    CHECK(fit_kdf("argon2id", kMiB, kMiB, 16).lanes == 4);
    CHECK(fit_kdf("pbkdf2", kMiB, kMiB, 16).lanes == 0);
    CHECK(fit_kdf("pbkdf2", kMiB, kMiB, 16).memory == 0);
}

TEST_CASE("a cipher has only the key sizes that it has") {
    struct Row {
        const char* cipher;
        int key_size;
        bool good;
    };
    for (const auto& row :
         {Row{"aes-xts-plain64", 256, true}, Row{"aes-xts-plain64", 512, true},
          Row{"serpent-xts-plain64", 512, true}, Row{"xchacha12,aes-adiantum-plain64", 256, true},
          Row{"xchacha12,aes-adiantum-plain64", 512, false}, Row{"sm4-xts-plain64", 256, true},
          Row{"sm4-xts-plain64", 512, false}, Row{"aes-xts-plain64", 300, false}}) {
        INFO(row.cipher << " " << row.key_size);
        const auto mode = test::read_one(
            test::profile_text("alpha", 200000, with_cipher(row.cipher, row.key_size)));
        CHECK((mode.profile != nullptr) == row.good);
        if (!row.good) CHECK(test::has_rule(mode.diagnostics, "bad-value"));
    }
}

TEST_CASE("a cipher that the kernel lacks refuses the plan, with what to do") {
    const auto mode =
        test::read_one(test::profile_text("alpha", 200000, with_cipher("sm4-xts-plain64", 256)));
    REQUIRE(mode.profile);
    auto facts = test::fixed_facts();
    CHECK(compile(*mode.profile, facts, {}).plan);
    facts.missing_ciphers = {"sm4-xts-plain64"};
    const auto compiled = compile(*mode.profile, facts, {});
    CHECK_FALSE(compiled.plan);
    REQUIRE(compiled.diagnostics.size() == 1);
    const auto& d = compiled.diagnostics[0];
    CHECK(d.at.pointer == "/volumes/0/luks/cipher");
    CHECK_THAT(d.message, Catch::Contains("xts(sm4)"));
    CHECK_THAT(d.fix, Catch::Contains("CONFIG_CRYPTO_SM4_GENERIC"));
}
