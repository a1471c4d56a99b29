// tests: bundles: one way to write them, a signature before everything else, and what is refused.
#include "policy/bundle.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>

#include "policy/bundle_key.h"
#include "support.h"

using namespace pmos;
using namespace pmos::policy;
using namespace pmos::policy::test;
using Catch::Matchers::Contains;

namespace {

const std::string kHash(64, 'a');

Bundle small() {
    Bundle bundle;
    bundle.name = "acme";
    bundle.version = 7;
    bundle.pins = {{Pin::Kind::hook, "check", 3, kHash}, {Pin::Kind::image, "a.erofs", 4, kHash}};
    bundle.files = {{"a.json", profile_text("a", 200000)},
                    {"blocks/b.json", R"({"pmos": 1})"},
                    {"site.json", R"({"pmos": 1, "require": []})"}};
    return bundle;
}

std::string written(const Bundle& bundle) {
    auto bytes = write_bundle(bundle);
    REQUIRE(bytes);
    return std::move(*bytes);
}
std::string payload_of(const Bundle& bundle) { return written(bundle).substr(kBundleHeader); }

// The payload with one thing in it replaced.
std::string with(const std::string& from, const std::string& to) {
    std::string payload = payload_of(small());
    const auto at = payload.find(from);
    REQUIRE(at != payload.npos);
    return payload.replace(at, from.size(), to);
}

void refused(const std::string& payload, const std::string& why) {
    const auto bundle = read_payload("b", payload);
    INFO(payload);
    REQUIRE_FALSE(bundle);
    CHECK_THAT(bundle.error().message(), Contains(why));
}

struct Pair {
    explicit Pair(unsigned char seed) {
        std::array<unsigned char, 32> from{}, key{};
        from.fill(seed);
        crypto_sign_ed25519_seed_keypair(key.data(), secret.data(), from.data());
        std::memcpy(public_key.bytes.data(), key.data(), key.size());
        public_key.file = "test.pub";
    }
    std::string sign(std::string bytes) const {
        const auto sealed = split_bundle("b", bytes);
        REQUIRE(sealed);
        Signature signature{};
        crypto_sign_ed25519_detached(
            reinterpret_cast<unsigned char*>(signature.data()), nullptr,
            reinterpret_cast<const unsigned char*>(sealed->statement.data()),
            sealed->statement.size(), secret.data());
        return attach_signature(std::move(bytes), key_id(public_key), signature);
    }
    PublicKey public_key;
    std::array<unsigned char, 64> secret{};
};

// The fuzzer's seeds, by the names of their files.
std::map<std::string, std::string> seeds() {
    const std::string sound = written(small());
    Bundle plain;
    plain.name = "least";
    plain.version = 1;
    return {{"empty", ""},
            {"sound", sound},
            {"least", written(plain)},
            {"payload", sound.substr(kBundleHeader)},
            {"short-by-one", sound.substr(0, sound.size() - 1)},
            {"one-more", sound + "x"},
            {"header-only", sound.substr(0, kBundleHeader)},
            {"climbing-path", with("file blocks/b.json", "file ../ocks/b.json")},
            {"nul-in-path", with("a.json", std::string("a\0json", 6))},
            {"twice", with("file site.json", "file a.json")},
            {"leading-zero", with("version 7", "version 07")},
            {"huge-size", with("file a.json ", "file a.json 99999999")},
            {"no-end-of-index", "name a\nversion 1\nfor any\n"}};
}

}  // namespace

TEST_CASE("a bundle comes back as it was written, and always as the same bytes") {
    const auto bytes = written(small());
    const auto sealed = split_bundle("b", bytes);
    REQUIRE(sealed);
    CHECK_FALSE(sealed->is_signed());
    CHECK(check_payload("b", *sealed));
    const auto bundle = read_payload("b", sealed->payload);
    REQUIRE(bundle);
    CHECK(*bundle == small());
    Bundle shuffled = small();
    std::swap(shuffled.files[0], shuffled.files[2]);
    std::swap(shuffled.pins[0], shuffled.pins[1]);
    CHECK(written(shuffled) == bytes);
}

TEST_CASE("the fuzzer's seeds are of this build's bundle format") {
    for (const auto& [name, bytes] : seeds()) {
        check_golden("tests/fuzz/corpus/bundle/" + name, bytes);
        const auto sealed = split_bundle(name, bytes);
        CHECK(sealed.has_value() == (name == "sound" || name == "least"));
        if (sealed) CHECK(read_payload(name, sealed->payload));
    }
}

TEST_CASE("what is not a bundle says so") {
    const auto bytes = written(small());
    for (std::size_t size = 0; size < bytes.size(); ++size)
        CHECK_FALSE(split_bundle("b", std::string_view(bytes).substr(0, size)));
    CHECK_FALSE(split_bundle("b", bytes + "x"));
    CHECK_FALSE(split_bundle("b", std::string(kMaxBundle + 1, 'x')));
    for (const std::size_t at : {0U, 15U, 24U, 31U}) {
        auto changed = bytes;
        changed[at] ^= 1;
        CHECK_FALSE(split_bundle("b", changed));
    }
}

TEST_CASE("the index is strict") {
    refused("", "line 1: the line does not end");
    refused(std::string(2000, 'x'), "the line does not end");
    refused(with("name acme", "name ac me"), "line 1");
    refused(with("name acme", "name  acme"), "one blank");
    refused(with("name acme", "name acme "), "one blank");
    refused(with("name acme", "name .acme"), "not a name");
    refused(with("name acme", "name"), "line 1");
    refused(with("name acme", "Name acme"), "'name' and 1 word(s) are expected");
    refused(with("version 7", "version 07"), "line 2: '07' is not a number");
    refused(with("version 7", "version +7"), "not a number");
    refused(with("version 7", "version -7"), "not a number");
    refused(with("version 7", "version 0"), "a version is between");
    refused(with("version 7", "version 9007199254740992"), "not a number up to");
    refused(with("version 7", "version 99999999999999999999"), "not a number");
    refused(with("for any", "for a/b"), "not a model");
    refused(with("hook check", "hook ../check"), "cannot be named");
    refused(with("image a.erofs", "image /a.erofs"), "cannot be named");
    refused(with("image a.erofs", "image .."), "cannot be named");
    refused(with(kHash, std::string(64, 'A')), "cannot be named");
    refused(with(kHash, std::string(63, 'a')), "cannot be named");
    refused(with("image a.erofs 4", "hook check 4"), "twice or out of order");
    refused(with("file a.json", "file z.json"), "twice or out of order");
    refused(with("file site.json", "file a.json"), "twice or out of order");
    refused(with("file a.json", "file /a.json"), "not the path");
    refused(with("file a.json", "file a.erofs"), "not the path");
    refused(with("file blocks/b.json", "file blocks//.json"), "not the path");
    refused(with("file blocks/b.json", "file ../ocks/b.json"), "not the path");
    refused(with("file a.json", "link a.json"), "not expected here");
    refused(with("file a.json ", "file a.json 1048577"), "not a number up to 1048576");
    refused(payload_of(small()) + "x", "1 bytes follow");
    auto cut = payload_of(small());
    cut.pop_back();
    refused(cut, "bytes and 25 are left");
}

TEST_CASE("a number of entries is a bound, before it is memory") {
    std::string many = "name a\nversion 1\nfor any\n";
    for (std::size_t i = 0; i <= kMaxBundleEntries; ++i) many += "file a.json 0\n";
    refused(many + "\n", "more than 4096");
}

TEST_CASE("what cannot be named is not packed") {
    const auto fails = [](auto change) {
        Bundle bundle = small();
        change(bundle);
        return !write_bundle(std::move(bundle)).has_value();
    };
    CHECK(fails([](Bundle& b) { b.name = ""; }));
    CHECK(fails([](Bundle& b) { b.name = "a b"; }));
    CHECK(fails([](Bundle& b) { b.version = 0; }));
    CHECK(fails([](Bundle& b) { b.files[0].path = "a b.json"; }));
    CHECK(fails([](Bundle& b) { b.files.push_back(b.files[0]); }));
    CHECK(fails([](Bundle& b) { b.pins.push_back(b.pins[0]); }));
    CHECK(fails([](Bundle& b) { b.files[0].bytes.assign((1U << 20U) + 1, 'x'); }));
    CHECK(fails([](Bundle& b) {
        for (int i = 0; i < 17; ++i)
            b.files.push_back({fmt::format("f{}.json", i), std::string(1U << 20U, 'x')});
    }));
}

TEST_CASE("only a trusted key opens a bundle, and only these bytes") {
    const Pair ours(1), theirs(2);
    const std::vector<PublicKey> trusted{ours.public_key};
    const auto plain = written(small());
    const auto good = ours.sign(plain);
    const auto opened = open_bundle("b", good, trusted);
    REQUIRE(opened);
    CHECK(opened->bundle == small());
    CHECK(opened->key.file == "test.pub");

    const auto why = [&](const std::string& bytes) {
        const auto result = open_bundle("b", bytes, trusted);
        return result ? std::string("opened") : result.error().message();
    };
    CHECK_THAT(why(plain), Contains("it is not signed"));
    CHECK_THAT(why(theirs.sign(plain)), Contains("no trusted key has the id"));
    auto forged = theirs.sign(plain);
    std::memcpy(forged.data() + sizeof(Statement), key_id(ours.public_key).data(), sizeof(KeyId));
    CHECK_THAT(why(forged), Contains("its signature is not by 'test.pub'"));
    for (std::size_t at = 0; at < good.size(); ++at) {
        auto changed = good;
        changed[at] ^= 1;
        CHECK_FALSE(open_bundle("b", changed, trusted));
    }
    CHECK_FALSE(open_bundle("b", good, {}));
}

TEST_CASE("nothing inside is looked at before the signature is known to be good") {
    const Pair ours(1), theirs(2);
    const std::vector<PublicKey> trusted{ours.public_key};
    // A payload that is no index at all, honestly named by its header.
    const auto bytes = written(small());
    const auto broken = theirs.sign(bytes.substr(0, bytes.size() - 1) + "\n");
    const auto result = open_bundle("b", broken, trusted);
    REQUIRE_FALSE(result);
    CHECK(result.error().code == Code::denied);
    CHECK_THAT(result.error().message(), !Contains("index") && !Contains("contents"));
}

TEST_CASE("keys are PEM, and only Ed25519's") {
    const Pair pair(3);
    const auto pem = write_public_key(pair.public_key);
    const auto back = read_public_key({"k.pub", pem});
    REQUIRE(back);
    CHECK(back->bytes == pair.public_key.bytes);
    // Test 1 of RFC 8032, as openssl writes it.
    const auto known =
        read_public_key({"k",
                         "-----BEGIN PUBLIC KEY-----\n"
                         "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
                         "-----END PUBLIC KEY-----\n"});
    REQUIRE(known);
    CHECK(to_hex(known->bytes) ==
          "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    for (const std::string& bad :
         {std::string(), pem + "x", "x" + pem, pem.substr(1), pem + pem,
          std::string("-----BEGIN PUBLIC KEY-----\n\n-----END PUBLIC KEY-----\n"),
          std::string("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"),
          // X25519, one bit beside.
          std::string("-----BEGIN PUBLIC KEY-----\n"
                      "MCowBQYDK2VuAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
                      "-----END PUBLIC KEY-----\n")})
        CHECK_FALSE(read_public_key({"k", bad}));
}

TEST_CASE("the profiles of a bundle are read as those of a directory") {
    const auto set = read_policy(small());
    REQUIRE(set.modes.size() == 1);
    INFO(texts(set.modes[0].diagnostics));
    CHECK(set.modes[0].profile);
    CHECK(set.modes[0].file == "acme@7/a.json");
    CHECK(set.diagnostics.empty());
    Bundle missing = small();
    missing.files[0].bytes = profile_text("a", 200000, R"(, "extends": ["blocks/none.json"])");
    const auto broken = read_policy(missing);
    CHECK_FALSE(broken.modes.at(0).profile);
    CHECK_THAT(texts(broken.modes.at(0).diagnostics), Contains("it is not in the bundle"));
}

TEST_CASE("what a profile names is pinned, or the mode has no profile") {
    const auto with_hook = [](Bundle bundle) {
        bundle.files[0].bytes =
            profile_text("a", 200000, R"(, "hooks": {"preStart": ["check", "/opt/check"]})");
        return bundle;
    };
    Bundle bundle = with_hook(small());
    auto mode = read_policy(bundle).modes.at(0);
    CHECK_FALSE(mode.profile);
    CHECK(mode.disputed);
    REQUIRE(std::ranges::count(mode.diagnostics, Rule::missing_pin, &Diagnostic::rule) == 1);
    const auto& found = *std::ranges::find(mode.diagnostics, Rule::missing_pin, &Diagnostic::rule);
    CHECK(found.at.line > 0);
    CHECK(found.at.pointer == "/hooks/preStart");
    CHECK_THAT(found.message, Contains("the hook '/opt/check' is not pinned"));
    bundle.pins.push_back({Pin::Kind::hook, "/opt/check", 3, kHash});
    CHECK(read_policy(bundle).modes.at(0).profile);
    // A pin of the other kind is none.
    bundle.pins[1].kind = Pin::Kind::hook;
    mode = read_policy(bundle).modes.at(0);
    CHECK_FALSE(mode.profile);
    CHECK_THAT(texts(mode.diagnostics), Contains("the image 'a.erofs' is not pinned"));
}

TEST_CASE("a bundle without a site policy says so") {
    Bundle bundle = small();
    bundle.files.pop_back();
    const auto set = read_policy(bundle);
    REQUIRE(set.diagnostics.size() == 1);
    CHECK(set.diagnostics[0].rule == Rule::no_site_policy);
    CHECK(set.diagnostics[0].at.file == "acme@7/site.json");
    CHECK(set.modes.at(0).profile);
}
