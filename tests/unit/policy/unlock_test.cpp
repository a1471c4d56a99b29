// tests: what a profile says of who opens a volume.
#include <catch2/catch.hpp>

#include "policy/profile.h"
#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

constexpr const char* kKey = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";

std::string volume(const std::string& unlock, const std::string& more = "") {
    return R"(, "volumes": [{"name": "d", "target": "/d", "size": "64MiB", "unlock": [)" + unlock +
           "]" + more + "}]";
}

std::string escrow(const std::string& key) { return R"(, "escrow": ")" + key + "\""; }

}  // namespace

TEST_CASE("unlock: all ways and the escrow reach the plan") {
    const auto mode = read_one(
        profile_text("alpha", 200000, volume(R"("recovery-key", "passphrase")", escrow(kKey))));
    REQUIRE(mode.profile);
    const auto compiled = compile(*mode.profile, fixed_facts());
    REQUIRE(compiled.plan.has_value());
    for (const auto& plan : {*compiled.plan, decode(encode(*compiled.plan)).value()}) {
        CHECK(plan.volumes[0].unlock == std::vector<std::string>{"recovery-key", "passphrase"});
        CHECK(plan.volumes[0].key_source == KeySource::passphrase);
        CHECK(plan.volumes[0].escrow == kKey);
    }
}

TEST_CASE("unlock: a PIN with the TPM's help can be the only way") {
    const auto mode = read_one(profile_text("alpha", 200000, volume(R"("tpm2+pin")", "")));
    REQUIRE(mode.profile);
    const auto compiled = compile(*mode.profile, fixed_facts());
    REQUIRE(compiled.plan.has_value());
    CHECK(compiled.plan->volumes[0].unlock == std::vector<std::string>{"tpm2+pin"});
    CHECK(compiled.plan->volumes[0].key_source != KeySource::device_key);
}

TEST_CASE("unlock: ways that cannot stand together, or alone, are refused") {
    struct Row {
        std::string volume, message;
    };
    for (const auto& [text, message] :
         {Row{volume(""), "nothing unlocks this volume"},
          Row{volume(R"("pin", "pin")"), "'pin' is there twice"},
          Row{volume(R"("recovery-key")"), "nothing of this can be the first to open a volume"},
          Row{volume(R"("pin", "fingerprint")"), "a fingerprint never releases a volume's key"},
          Row{volume(R"("pin", "passphrase")"), "a volume has one secret of its own, not two"},
          Row{volume(R"("pin", "device-key")"), "a volume has one secret of its own, not two"},
          Row{volume(R"("device-key", "recovery-key")"),
              "a volume with a device key asks nobody for a secret"},
          Row{volume(R"("device-key")", escrow(kKey)),
              "a volume with a device key asks nobody for a secret"}}) {
        const auto mode = read_one(profile_text("alpha", 200000, text));
        INFO(text);
        REQUIRE(has_errors(mode.diagnostics));
        CHECK(texts(mode.diagnostics).find(message) != std::string::npos);
    }
}

TEST_CASE("unlock: an escrow is to 32 bytes in base64") {
    const std::string key = kKey;
    for (const auto& bad : {std::string(), key.substr(1), key + "=", "!" + key.substr(1),
                            key.substr(0, 42) + "p=", std::string(64, 'a')}) {
        INFO(bad);
        CHECK(has_errors(
            read_one(profile_text("alpha", 200000, volume(R"("pin")", escrow(bad)))).diagnostics));
    }
}
