// tests: a re-encryption of a volume in a file, killed at every moment: what is mended, and that
// what was in the volume is in it afterwards. Needs no device mapper.
#include "runtime/volume/mending.h"

#include <gcrypt.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "killed.h"
#include "luks_file.h"
#include "runtime/volume/journal_first.h"
#include "runtime/volume/key_rotation.h"
#include "runtime/volume/rewritten.h"
#include "runtime/volume/undo_header.h"

using namespace pmos;
using namespace pmos::volume;
namespace fs = std::filesystem;
using State = CryptDevice::Reencryption;

namespace {

constexpr std::string_view kSecret = "old secret";
// Two pieces, of which the second is a short one.
constexpr std::size_t kHeader = 16 << 20, kData = (8 << 20) + (64 << 10);

std::string decrypted(const std::string& data, const SecretBuffer& key, std::size_t sector) {
    gcry_cipher_hd_t cipher = nullptr;
    REQUIRE(gcry_cipher_open(&cipher, GCRY_CIPHER_AES256, GCRY_CIPHER_MODE_XTS, 0) == 0);
    REQUIRE(gcry_cipher_setkey(cipher, key.bytes().data(), key.bytes().size()) == 0);
    std::string plain = data;
    bool good = true;
    for (std::size_t at = 0; at < plain.size(); at += sector) {
        std::array<unsigned char, 16> iv{};  // plain64
        for (std::size_t i = 0; i < 8; ++i)
            iv[i] = static_cast<unsigned char>((std::uint64_t{at} / 512) >> (8 * i));
        good = good && gcry_cipher_setiv(cipher, iv.data(), iv.size()) == 0 &&
               gcry_cipher_decrypt(cipher, plain.data() + at, sector, nullptr, 0) == 0;
    }
    gcry_cipher_close(cipher);
    REQUIRE(good);
    return plain;
}

// Its data is noise, and with any key something else. In memory: it is synced a thousand times.
struct Volume : LuksFile {
    std::string dir = "/dev/shm/pmos-mending-test-XXXXXX";

    Volume() : LuksFile("/dev/shm/pmos-mending-file-XXXXXX") {
        REQUIRE(::mkdtemp(dir.data()) != nullptr);
        (dir + "/headers/secure/data").copy(request.undo, sizeof request.undo - 1);
        fs::resize_file(path, kHeader + kData);
        std::string noise(kData, '\0');
        std::mt19937_64 random(1);
        for (char& c : noise) c = static_cast<char>(random());
        std::fstream stream(path, std::ios::in | std::ios::out | std::ios::binary);
        stream.seekp(kHeader);
        stream << noise;
    }
    ~Volume() { fs::remove_all(dir); }

    std::string raw() const {
        std::ifstream stream(path, std::ios::binary);
        stream.seekg(kHeader);
        std::string data(kData, '\0');
        stream.read(data.data(), kData);
        REQUIRE(stream);
        return data;
    }
    // By the one key that it has.
    std::string plain() const {
        auto crypt = open();
        REQUIRE(crypt.reencryption() == State::none);
        std::size_t sector = 512;
        for (const auto& [name, value] : crypt.describe())
            if (name == "sectorSize") sector = std::stoul(value);
        const auto unsealed = crypt.unseal(bytes(kSecret));
        REQUIRE(unsealed);
        return decrypted(raw(), unsealed->key, sector);
    }
    void copy_to(const Volume& other) const {
        fs::copy_file(path, other.path, fs::copy_options::overwrite_existing);
    }
    State state() const { return open().reencryption(); }

    // As the verb does it, up to where the data is written anew.
    Result<void> begin(CryptDevice& crypt) const {
        if (fs::exists(text(request.undo))) PMOS_TRY(put_header_back(request, path));
        PMOS_TRY(crypt.load());
        const bool goes_on = crypt.reencryption() != State::none;
        PMOS_TRY(prepare_mending(request, crypt));
        PMOS_TRY(mend_piece(request, crypt, bytes(kSecret)));
        if (crypt.reencryption() == State::clean)
            return crypt.take_up_reencryption("", bytes(kSecret));
        PMOS_ASSIGN(const int keyslot, crypt.check_secret(bytes(kSecret)));
        if (goes_on) return {};
        return begin_rotation(crypt, "", keyslot, kCheap, bytes(kSecret));
    }
    Result<void> reencrypt(const CryptDevice::Going& going) const {
        PMOS_ASSIGN(auto crypt, CryptDevice::of_device(path));
        PMOS_TRY(begin(crypt));
        PMOS_TRY(crypt.run_reencryption(going));
        return settle_rotation(crypt);
    }
    End reencrypt_killed_at(int write) const {
        return killed_at(write,
                         [&] { return reencrypt([](auto, auto) { return true; }).has_value(); });
    }
    // Killed when the last piece is written, before libcryptsetup says so.
    void stop_behind_last_piece() const {
        const pid_t pid = ::fork();
        if (pid == 0) {
            (void)reencrypt([](auto done, auto all) {
                if (done >= all) ::_exit(0);
                return true;
            });
            ::_exit(1);
        }
        int status = 0;
        REQUIRE(::waitpid(pid, &status, 0) == pid);
        REQUIRE(status == 0);
    }
};

void check_whole(const Volume& volume, const std::string& plain) {
    CHECK(volume.plain() == plain);
    const auto crypt = volume.open();
    CHECK(crypt.keyslots().size() == 1);
    CHECK(crypt.tokens().size() == 1);
    CHECK(crypt.has_complete_token(volume.request));
    CHECK_FALSE(fs::exists(text(volume.request.undo)));
}

}  // namespace

TEST_CASE("all data written anew, and killed before the header says so, it is not begun again") {
    const Volume volume;
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
    const Volume volume;
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
    const Volume volume;
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
    const Volume first;
    const std::string plain = first.plain();
    int n = soak ? std::atoi(soak) : 1, kills = 0;
    for (End end = End::killed; end == End::killed;) {
        INFO("killed before write " << n);
        const Volume volume;
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
    const Volume volume;
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
    const Volume volume;
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
    const Volume first, volume;
    const std::string plain = first.plain();
    for (int n = 20; volume.state() != State::crashed; n += 5) {
        first.copy_to(volume);
        REQUIRE(volume.reencrypt_killed_at(n) == End::killed);
    }
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
    const Volume first, volume;
    for (int n = 20; volume.state() != State::crashed; n += 5) {
        first.copy_to(volume);
        REQUIRE(volume.reencrypt_killed_at(n) == End::killed);
    }
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
