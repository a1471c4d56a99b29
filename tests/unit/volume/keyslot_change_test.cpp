// tests: one secret in place of another, on a real LUKS2 header in a file; cut short at every step.
#include "runtime/volume/keyslot_change.h"

#include <fmt/core.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "luks_file.h"

using namespace pmos;
using namespace pmos::volume;

namespace {
std::string mark_of(const LuksFile& volume) {
    for (const auto& token : volume.open().tokens())
        if (token.json.find(R"("type":"pmos")") != std::string::npos) return token.json;
    return "(none)";
}
}  // namespace

TEST_CASE("the mark of a change is read back, and no other token is taken for it") {
    const auto change = KeyslotChange::parse(KeyslotChange{3, 12}.token());
    REQUIRE(change);
    CHECK(change->before == 3);
    CHECK(change->after == 12);
    for (const char* other : {"", "{}", R"({"type":"pmos","before":"1","after":"2"})",
                              R"({"type":"pmos-change","before":"1"})",
                              R"({"type":"pmos-change","before":"1","after":"1"})",
                              R"({"type":"pmos-change","before":"-1","after":"1"})",
                              R"({"type":"pmos-change","before":"x","after":"1"})",
                              R"({"type":"pmos-change","before":")"})
        CHECK_FALSE(KeyslotChange::parse(other));
}

TEST_CASE("after a change the new secret opens, the old one does not, and the mark is gone") {
    const LuksFile volume;
    auto crypt = volume.open();
    auto old = crypt.unseal(bytes("old secret"));
    REQUIRE(old);
    REQUIRE(change_secret(crypt, *old, kCheap, bytes("new secret")));
    CHECK(volume.opens("new secret"));
    CHECK_FALSE(volume.opens("old secret"));
    CHECK(volume.tokens() == 1);
    CHECK(volume.open().has_complete_token(volume.request));
    // The key is the same one: nothing of the data has to be written anew.
    auto again = volume.open().unseal(bytes("new secret"));
    REQUIRE(again);
    CHECK(std::ranges::equal(again->key.bytes(), old->key.bytes()));
}

TEST_CASE("a change that was cut short is settled by the next secret that opens") {
    const LuksFile volume;
    const auto begin = [&](bool add) {
        auto crypt = volume.open();
        auto old = crypt.unseal(bytes("old secret"));
        REQUIRE(old);
        const auto free = crypt.free_keyslot();
        REQUIRE(free);
        const KeyslotChange change{old->keyslot, *free};
        REQUIRE(crypt.write_token(change.token()));
        if (add)
            REQUIRE(crypt.add_keyslot(change.after, kCheap, old->key.bytes(), bytes("new secret")));
        return change;
    };
    SECTION("before the new keyslot was written") {
        const auto change = begin(false);
        auto crypt = volume.open();
        REQUIRE(settle_change(crypt, change.before));
        CHECK(volume.opens("old secret"));
    }
    SECTION("by the old secret: it stays") {
        const auto change = begin(true);
        CHECK((volume.opens("old secret") && volume.opens("new secret")));
        auto crypt = volume.open();
        REQUIRE(settle_change(crypt, change.before));
        CHECK(volume.opens("old secret"));
        CHECK_FALSE(volume.opens("new secret"));
    }
    SECTION("by the new secret: the old one goes") {
        const auto change = begin(true);
        auto crypt = volume.open();
        REQUIRE(settle_change(crypt, change.after));
        CHECK(volume.opens("new secret"));
        CHECK_FALSE(volume.opens("old secret"));
        // The mark that the volume is complete has moved along.
        CHECK(mark_of(volume).find(fmt::format(R"("keyslots":["{}"])", change.after)) !=
              std::string::npos);
    }
    SECTION("after the old keyslot was destroyed") {
        const auto change = begin(true);
        auto crypt = volume.open();
        REQUIRE(crypt.destroy_keyslot(change.before));
        REQUIRE(settle_change(crypt, change.after));
        CHECK(volume.opens("new secret"));
    }
    SECTION("not by a third one, which says nothing of the two") {
        const auto change = begin(true);
        auto crypt = volume.open();
        REQUIRE(settle_change(crypt, 30));
        CHECK((volume.opens("old secret") && volume.opens("new secret")));
        REQUIRE(settle_change(crypt, change.after));
    }
    CHECK(volume.tokens() == 1);
}

TEST_CASE("digests tell the volume key, whatever opens it") {
    const LuksFile volume, other;
    const auto before = volume.open().key_digests();
    REQUIRE(before);
    CHECK(before->size() == 1);
    auto crypt = volume.open();
    auto old = crypt.unseal(bytes("old secret"));
    REQUIRE(old);
    REQUIRE(change_secret(crypt, *old, kCheap, bytes("new secret")));
    CHECK(*volume.open().key_digests() == *before);
    CHECK(*other.open().key_digests() != *before);
    CHECK(volume.open().header_bytes() == 16 << 20);
}

TEST_CASE("a header describes itself") {
    const LuksFile volume;
    const auto told = volume.open().describe();
    const auto value = [&](std::string_view name) {
        const auto it = std::ranges::find(told, name, [](const auto& e) { return e.first; });
        return it == told.end() ? "(not told)" : it->second;
    };
    CHECK(value("cipher") == "aes-xts-plain64");
    CHECK(value("keyBits") == "512");
    CHECK(value("sectorSize") == "4096");
    CHECK(value("integrity") == "none");
    CHECK(value("reencryption") == "none");
    CHECK(value("flags").empty());
    CHECK(value("keyslot.0.kdf") == "argon2id");
    CHECK(value("keyslot.0.memory") == "32768");
    CHECK(value("keyslot.0.iterations") == "4");
    CHECK(value("keyslot.0.lanes") == "1");
    CHECK(value("keyslot.1.kdf") == "(not told)");
    CHECK(value("token.0") == "pmos");
}
