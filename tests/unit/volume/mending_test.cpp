// tests: a re-encryption of a volume in a file, killed at every moment: what is mended, and that
// what was in the volume is in it afterwards. Needs no device mapper.
#include "runtime/volume/mending.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "runtime/volume/journal_first.h"
#include "runtime/volume/rewritten.h"
#include "volume_file.h"

using namespace pmos;
using namespace pmos::volume;
namespace fs = std::filesystem;
using State = CryptDevice::Reencryption;

namespace {

void check_whole(const VolumeFile& volume, const std::string& plain) {
    CHECK(volume.plain() == plain);
    const auto crypt = volume.open();
    CHECK(crypt.keyslots().size() == 1);
    CHECK(crypt.tokens().size() == 1);
    CHECK(crypt.has_complete_token(volume.request));
    CHECK_FALSE(fs::exists(text(volume.request.undo)));
}

}  // namespace

TEST_CASE("all data written anew, and killed before the header says so, it is not begun again") {
    const VolumeFile volume;
    const std::string plain = volume.plain();
    volume.stop_behind_last_piece();
    const std::string written = volume.raw();
    REQUIRE(volume.state() == State::written);
    {
        auto crypt = volume.open();
        CHECK_FALSE(crypt.take_up_reencryption("", bytes(kSecret)));
        CHECK(volume.raw() == written);
    }
    REQUIRE(volume.reencrypt([](auto, auto) { return true; }));
    CHECK(volume.raw() == written);
    check_whole(volume, plain);
}

TEST_CASE("it ends as well where the old key is gone already, and takes no secret for it") {
    const VolumeFile volume;
    const std::string plain = volume.plain();
    volume.stop_behind_last_piece();
    {
        auto crypt = volume.open();
        REQUIRE(crypt.drop_next_key(0));  // unbound, as the other one was
        REQUIRE(volume.state() == State::written);
    }
    auto crypt = volume.open();
    REQUIRE(prepare_mending(volume.request, crypt));
    CHECK(crypt.reencryption() == State::none);
    REQUIRE(settle_rotation(crypt));
    check_whole(volume, plain);
}

TEST_CASE("what is known of the old key goes from the header with its end") {
    const VolumeFile volume;
    auto before = volume.open().unseal(bytes(kSecret));
    REQUIRE(before);
    volume.stop_behind_last_piece();
    auto crypt = volume.open();
    REQUIRE(prepare_mending(volume.request, crypt));
    std::ifstream stream(volume.path, std::ios::binary);
    std::string header(kHeader, '\0');
    stream.read(header.data(), kHeader);
    // The first keyslot's area, as it was made: behind both copies of the metadata.
    const std::string_view area = std::string_view(header).substr(32 << 10, 258048);
    CHECK(std::ranges::all_of(area, [](char c) { return c == '\0'; }));
    auto after = volume.open().unseal(bytes(kSecret));
    REQUIRE(after);
    CHECK_FALSE(std::ranges::equal(before->key.bytes(), after->key.bytes()));
}

TEST_CASE("killed at any of its writes, once and again, it goes on and nothing is lost") {
    // PMOS_SOAK: every one, from that on.
    const char* soak = std::getenv("PMOS_SOAK");
    std::mt19937 random(std::random_device{}());
    const VolumeFile first;
    const std::string plain = first.plain();
    int n = soak ? std::atoi(soak) : 1, kills = 0;
    for (End end = End::killed; end == End::killed;) {
        INFO("killed before write " << n);
        const VolumeFile volume;
        first.copy_to(volume);
        end = volume.reencrypt_killed_at(n);
        REQUIRE(end != End::failed);
        kills += end == End::killed;
        const int again = 1 + static_cast<int>(random() % 60);
        INFO("and before write " << again);
        const End second = volume.reencrypt_killed_at(again);
        REQUIRE(second != End::failed);
        kills += second == End::killed;
        if (second == End::killed) REQUIRE(volume.reencrypt([](auto, auto) { return true; }));
        check_whole(volume, plain);
        n += soak ? 1 : 17;
    }
    CHECK(n > 50);
    if (soak) WARN(kills << " kills, up to write " << n);
}

TEST_CASE("how much of the data has the new key, by the metadata") {
    const VolumeFile volume;
    CHECK(rewritten_of(volume.open().metadata().value()) == Rewritten::unclear);
    {
        auto crypt = volume.open();
        REQUIRE(volume.begin(crypt));
    }
    CHECK(rewritten_of(volume.open().metadata().value()) == Rewritten::nothing);
    CHECK_FALSE(end_reencryption(volume.open().metadata().value()));
    REQUIRE_FALSE(volume.state() == State::none);
    REQUIRE(volume.reencrypt([calls = 0](auto, auto) mutable { return ++calls < 2; }));
    CHECK(rewritten_of(volume.open().metadata().value()) == Rewritten::part);
    CHECK_FALSE(end_reencryption(volume.open().metadata().value()));
    volume.stop_behind_last_piece();
    const std::string all = volume.open().metadata().value();
    CHECK(rewritten_of(all) == Rewritten::all);
    const auto ended = end_reencryption(all);
    REQUIRE(ended);
    CHECK(ended->unused.size() == 2);
    for (const char* gone : {"backup-", "online-reencrypt", "\"reencrypt\""})
        CHECK(ended->metadata.find(gone) == std::string::npos);
    for (const char* other : {"", "{}", "[]", R"({"segments":{"0":{}}})"}) {
        CHECK(rewritten_of(other) == Rewritten::unclear);
        CHECK_FALSE(end_reencryption(other));
    }
}

TEST_CASE("a piece is written only where libcryptsetup tells of its headers before") {
    const VolumeFile volume;
    auto journal = JournalFirst::on(volume.path, volume.path);
    REQUIRE(journal);
    CHECK_FALSE(journal->held());
    journal->before("Going to store 8388608 bytes in reencrypt keyslot.");
    CHECK_FALSE(journal->held());
    journal->before("Trying to write LUKS2 header (16384 bytes) at offset 0.");
    CHECK(journal->held());
    CHECK_FALSE(journal->held());
}

TEST_CASE("a wrong secret is refused as one, and mends nothing") {
    const VolumeFile volume;
    const std::string plain = volume.plain();
    volume.stop_in_piece();
    const std::string raw = volume.raw();
    auto crypt = volume.open();
    REQUIRE(prepare_mending(volume.request, crypt));
    const auto mended = mend_piece(volume.request, crypt, bytes("another"));
    REQUIRE_FALSE(mended);
    CHECK(mended.error().code == Code::wrong_secret);
    CHECK(volume.raw() == raw);
    CHECK(volume.state() == State::crashed);
    REQUIRE(mend_piece(volume.request, crypt, bytes(kSecret)).value());
    const auto taken_up = crypt.take_up_reencryption("", bytes("another"));
    REQUIRE_FALSE(taken_up);
    CHECK(taken_up.error().code == Code::wrong_secret);
    REQUIRE(volume.reencrypt([](auto, auto) { return true; }));
    check_whole(volume, plain);
}

TEST_CASE("a header that was kept for a piece does not undo what was written since") {
    const VolumeFile volume;
    volume.stop_in_piece();
    auto crypt = volume.open();
    REQUIRE(prepare_mending(volume.request, crypt));
    const std::string kept(text(volume.request.undo));
    const std::string aside = volume.dir + "/kept";
    fs::copy_file(kept, aside);
    REQUIRE(mend_piece(volume.request, crypt, bytes(kSecret)).value());
    CHECK_FALSE(fs::exists(kept));
    const std::string metadata = volume.open().metadata().value();
    fs::copy_file(aside, kept);  // as a kill before it was forgotten leaves it
    REQUIRE(put_header_back(volume.request, volume.path));
    CHECK(volume.open().metadata().value() == metadata);
    CHECK_FALSE(fs::exists(kept));
}
