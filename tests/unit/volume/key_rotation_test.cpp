// tests: another volume key, up to where the data begins to be written anew, on a real LUKS2 header
// in a file; what a step that was cut short leaves.
#include "runtime/volume/key_rotation.h"

#include <catch2/catch.hpp>

#include "luks_file.h"
#include "runtime/volume/helpers.h"
#include "runtime/volume/keyslot_change.h"
#include "runtime/volume/keyslot_room.h"

using namespace pmos;
using namespace pmos::volume;

namespace {

constexpr std::string_view kSecret = "old secret";

struct Volume : LuksFile {
    // Of the volume key by which the data is read.
    std::string key() const {
        auto crypt = open();
        auto unsealed = crypt.unseal(bytes(kSecret));
        REQUIRE(unsealed);
        const auto raw = unsealed->key.bytes();
        return {reinterpret_cast<const char*>(raw.data()), raw.size()};
    }
};

}  // namespace

TEST_CASE("the mark of a rotation is read back, and no other token is taken for it") {
    const auto rotation = KeyRotation::parse(KeyRotation{12}.token());
    REQUIRE(rotation);
    CHECK(rotation->next == 12);
    for (const char* other :
         {"", "{}", R"({"type":"pmos","next":"1"})", R"({"type":"pmos-rotation"})",
          R"({"type":"pmos-rotation","next":"-1"})", R"({"type":"pmos-rotation","next":"x"})",
          R"({"type":"pmos-rotation","next":")"})
        CHECK_FALSE(KeyRotation::parse(other));
    CHECK_FALSE(KeyRotation::parse(KeyslotChange{0, 1}.token()));
    CHECK_FALSE(KeyslotChange::parse(KeyRotation{1}.token()));
}

TEST_CASE("a next key that nothing was begun with goes with the next opening, and only that") {
    const Volume volume;
    const std::string before = volume.key();
    {
        auto crypt = volume.open();
        REQUIRE(crypt.write_token(KeyRotation{1}.token()));
        REQUIRE(crypt.add_next_key(1, 0, kCheap, bytes(kSecret)));
        REQUIRE(crypt.bind_token(crypt.tokens_of(0).at(0), 1));
    }
    CHECK(volume.key() == before);
    CHECK(volume.open().has_complete_token(volume.request));
    CHECK(volume.open().others_than(0).empty());
    auto crypt = volume.open();
    REQUIRE(settle_change(crypt, 0));
    const auto settled = volume.open();
    CHECK(settled.tokens().size() == 1);
    CHECK(settled.free_keyslot() == 1);
    CHECK(settled.has_complete_token(volume.request));
    CHECK(volume.key() == before);
    // Whose key is in use does not go, whatever a token says.
    {
        auto other = volume.open();
        REQUIRE(other.write_token(KeyRotation{0}.token()));
        REQUIRE(settle_rotation(other));
    }
    CHECK(volume.key() == before);
}

TEST_CASE("a keyslot of another secret refuses a rotation, by name, and nothing is written") {
    const Volume volume;
    {
        auto crypt = volume.open();
        auto unsealed = crypt.unseal(bytes(kSecret));
        REQUIRE(unsealed);
        REQUIRE(crypt.add_keyslot(7, kCheap, unsealed->key.bytes(), bytes("another")));
        REQUIRE(crypt.write_token(R"({"type":"systemd-recovery","keyslots":["7"]})"));
        REQUIRE(crypt.add_keyslot(9, kCheap, unsealed->key.bytes(), bytes("a third")));
    }
    auto crypt = volume.open();
    const auto begun = begin_rotation(crypt, "", 0, kCheap, bytes(kSecret));
    REQUIRE_FALSE(begun);
    CHECK(begun.error().code == Code::unsupported);
    CHECK(begun.error().why.find("keyslot 7 (systemd-recovery), keyslot 9") != std::string::npos);
    CHECK(begun.error().fix.find("escrow") == std::string::npos);
    CHECK(volume.open().tokens().size() == 2);
    CHECK(volume.open().free_keyslot() == 1);
}

TEST_CASE("where an escrow refuses it, the profile is named: pmosctl does not take it away") {
    const Volume volume;
    {
        auto crypt = volume.open();
        auto unsealed = crypt.unseal(bytes(kSecret));
        REQUIRE(unsealed);
        REQUIRE(crypt.add_keyslot(7, kCheap, unsealed->key.bytes(), bytes("another")));
        REQUIRE(crypt.write_token(R"({"type":"pmos-escrow","keyslots":["7"]})"));
    }
    auto crypt = volume.open();
    const auto begun = begin_rotation(crypt, "", 0, kCheap, bytes(kSecret));
    REQUIRE_FALSE(begun);
    CHECK(begun.error().why.find("keyslot 7 (pmos-escrow)") != std::string::npos);
    CHECK(begun.error().fix.find("'escrow' is out of the profile") != std::string::npos);
}

TEST_CASE("a header without room refuses a rotation, and nothing is left of it") {
    const Volume volume;
    int full = 1;  // a header has room for eight keys
    {
        auto crypt = volume.open();
        while (crypt.add_next_key(full, 0, kCheap, bytes(kSecret))) ++full;
    }
    REQUIRE(full > 2);
    auto crypt = volume.open();
    CHECK_FALSE(begin_rotation(crypt, "", 0, kCheap, bytes(kSecret)));
    CHECK(volume.open().tokens().size() == 1);
    CHECK(volume.open().free_keyslot() == full);
    CHECK(volume.open().reencryption() == CryptDevice::Reencryption::none);
}

TEST_CASE("the room among keyslots") {
    CHECK(largest_gap({100, 50}, {}) == 50);
    CHECK(largest_gap({100, 50}, {{100, 10}, {130, 5}}) == 20);
    CHECK(largest_gap({100, 50}, {{130, 5}, {100, 10}}) == 20);
    CHECK(largest_gap({100, 50}, {{100, 50}}) == 0);
    CHECK(largest_gap({100, 50}, {{90, 100}}) == 0);
    CHECK(largest_gap({100, 50}, {{0, 20}, {500, 20}}) == 50);
    CHECK(largest_gap({100, 50}, {{110, 20}, {105, 40}}) == 5);
    CHECK(keyslot_area(64) == 258048);
    CHECK(keyslot_area(32) == 131072);
}

TEST_CASE("the devices of a re-encryption are known by their names") {
    CHECK(helpers_of("pmos-secure-data") ==
          std::vector<std::string>{"pmos-secure-data-overlay", "pmos-secure-data-hotzone-forward",
                                   "pmos-secure-data-hotzone-backward"});
    CHECK(maker_of("temporary-cryptsetup-123-0") == 123);
    CHECK(maker_of("temporary-cryptsetup-123") == 123);
    for (const char* other : {"", "temporary-cryptsetup-", "temporary-cryptsetup-x", "pmos-123",
                              "temporary-cryptsetup-0-1", "temporary-cryptsetup-12x"})
        CHECK_FALSE(maker_of(other));
}
