// tests: after it no secret opens, in the first moment as at the end, and nothing else has changed.
// Real LUKS2 headers in files.
#include "runtime/volume/destroy.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "runtime/volume/ending.h"
#include "runtime/volume/recover.h"
#include "volume_file.h"

using namespace pmos;
using namespace pmos::volume;
namespace fs = std::filesystem;

namespace {

// It opens by "old secret" and by "second". In memory: it is synced often.
struct World : LuksFile {
    std::string dir = "/dev/shm/pmos-destroy-test-XXXXXX";

    World() : LuksFile("/dev/shm/pmos-destroy-file-XXXXXX") {
        REQUIRE(::mkdtemp(dir.data()) != nullptr);
        (dir + "/state/secure").copy(request.attempts, sizeof request.attempts - 1);
        (dir + "/headers/secure/data").copy(request.undo, sizeof request.undo - 1);
        auto crypt = open();
        const auto unsealed = crypt.unseal(bytes("old secret"));
        REQUIRE(unsealed);
        REQUIRE(crypt.add_keyslot(1, kCheap, unsealed->key.bytes(), bytes("second")));
    }
    ~World() { fs::remove_all(dir); }

    std::string content() const {
        std::ifstream stream(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(stream), {}};
    }
};

bool finishes(const Request& request) {
    const auto finished = finish_destruction(request);
    INFO((finished ? "" : finished.error().message()));
    REQUIRE(finished);
    return *finished;
}

bool is_marked(const Request& request) {
    const auto ending = is_ending(request);
    REQUIRE(ending);
    return *ending;
}

// A header that can be read and not be written, as on a storage that fails.
UniqueFd unwritable(const std::string& header) {
    UniqueFd file(::memfd_create("header", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    REQUIRE(file);
    REQUIRE(::write(file.get(), header.data(), header.size()) ==
            static_cast<ssize_t>(header.size()));
    REQUIRE(::fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE) == 0);
    return file;
}

}  // namespace

TEST_CASE("keyslots are overwritten and nothing else; what is left looks like a whole volume") {
    const World world;
    REQUIRE(world.opens("old secret"));
    REQUIRE(world.opens("second"));
    const auto areas = world.open().keyslot_areas();
    REQUIRE(areas.size() == 2);
    std::string before = world.content();
    CHECK(destroy_keyslots(world.request, world.path).keyslots);
    std::string after = world.content();
    REQUIRE(after.size() == before.size());
    for (const Area& area : areas) {
        std::size_t same = 0;
        for (auto at = area.offset; at < area.offset + area.length; ++at)
            same += before[at] == after[at];
        CHECK(same < area.length / 10);
        for (std::string* content : {&before, &after})
            content->replace(area.offset, area.length, area.length, '\0');
    }
    CHECK(before == after);
    for (const char* secret : {"old secret", "second"}) {
        const auto refused = world.open().unseal(bytes(secret));
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == Code::wrong_secret);
    }
    CHECK(world.open().has_keyslot());
    CHECK(world.open().has_complete_token(world.request));
}

TEST_CASE("one write of at most 1 MiB takes the keys of all keyslots beside each other") {
    const World world;
    const bool three = GENERATE(true, false);
    if (three) {
        auto crypt = world.open();
        const auto unsealed = crypt.unseal(bytes("second"));
        REQUIRE(unsealed);
        REQUIRE(crypt.add_keyslot(2, kCheap, unsealed->key.bytes(), bytes("third")));
    }
    const auto blows = first_blows(world.open().keyslot_areas());
    REQUIRE(blows.size() == 1);
    CHECK(blows.front().length <= 1 << 20);
    std::fstream stream(world.path, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(static_cast<std::streamoff>(blows.front().offset));
    stream << std::string(blows.front().length, 'x') << std::flush;
    for (const char* secret : {"old secret", "second", "third"}) CHECK_FALSE(world.opens(secret));
}

TEST_CASE("a keyslot by itself loses its first 4 KiB first, and so does one that is far away") {
    const auto shown = [](std::vector<Area> areas) {
        std::vector<std::pair<std::uint64_t, std::uint64_t>> out;
        for (const Area& blow : first_blows(std::move(areas)))
            out.emplace_back(blow.offset, blow.length);
        return out;
    };
    using Shown = std::vector<std::pair<std::uint64_t, std::uint64_t>>;
    constexpr std::uint64_t kSize = 252 << 10;
    CHECK(shown({}).empty());
    CHECK(shown({{32768, kSize}}) == Shown{{32768, 4096}});
    CHECK(shown({{32768, 512}}) == Shown{{32768, 512}});
    CHECK(shown({{8 << 20, kSize}, {32768, kSize}}) == Shown{{32768, 4096}, {8 << 20, 4096}});
    CHECK(shown({{32768 + kSize, kSize}, {32768, kSize}}) == Shown{{32768 + kSize - 4096, 8192}});
}

TEST_CASE("the first 4 KiB of a keyslot are enough") {
    const World world;
    for (const Area& area : world.open().keyslot_areas())
        REQUIRE(overwrite_keyslots(world.path, {{area.offset, 4096}}));
    CHECK_FALSE(world.opens("old secret"));
    CHECK_FALSE(world.opens("second"));
}

TEST_CASE("what is kept of a header while another is written over it is wiped and goes") {
    const World world;
    REQUIRE(keep_header(world.request, world.path, 16 << 20));
    const std::string kept(text(world.request.undo)), rest = kept + ".tmp-killed";
    // All keyslots are in it, and yet it is not one that libcryptsetup would read.
    fs::copy_file(kept, rest);
    fs::resize_file(rest, 1 << 20);
    std::fstream(rest, std::ios::in | std::ios::out | std::ios::binary)
        << std::string(32 << 10, 'x');
    std::ofstream(world.dir + "/headers/secure/other") << "another volume's";
    CHECK(kept_headers(world.request).size() == 2);
    std::ifstream held[] = {std::ifstream(kept), std::ifstream(rest)};

    CHECK(destroy_keyslots(world.request, world.path).keyslots);
    CHECK_FALSE(fs::exists(kept));
    CHECK_FALSE(fs::exists(rest));
    CHECK(fs::exists(world.dir + "/headers/secure/other"));
    for (auto& file : held)
        CHECK(std::all_of(std::istreambuf_iterator<char>(file), {}, [](char c) { return c == 0; }));
}

TEST_CASE("a destruction that was cut off is brought to its end, and is over then") {
    World world, other;
    world.path.copy(world.request.header, sizeof world.request.header - 1);
    const std::string line = "fmore " + other.path + "\t" + other.path + "\n";
    line.copy(world.request.others, sizeof world.request.others - 1);
    const auto areas = world.open().keyslot_areas();
    CHECK_FALSE(finishes(world.request));
    CHECK(world.opens("old secret"));

    // The power goes when one keyslot is dead, and another is not.
    REQUIRE(mark_ending(world.request));
    REQUIRE(overwrite_keyslots(world.path, {areas.front()}));
    REQUIRE(world.opens("second"));
    CHECK(finishes(world.request));
    CHECK_FALSE(world.opens("second"));
    CHECK_FALSE(other.opens("old secret"));
    CHECK_FALSE(is_marked(world.request));
    CHECK_FALSE(finishes(world.request));
}

TEST_CASE(
    "where a keyslot cannot be overwritten the mark stays, and nothing is opened until it can") {
    const bool own = GENERATE(true, false);
    World world;
    const World other;
    const World& faulty = own ? world : other;
    const std::string link = world.dir + "/header";
    const UniqueFd sealed = unwritable(faulty.content());
    fs::create_symlink("/proc/self/fd/" + std::to_string(sealed.get()), link);
    const std::string line = "fmore /nowhere/more.img\t" + (own ? other.path : link) + "\n";
    line.copy(world.request.others, sizeof world.request.others - 1);
    const std::string header = own ? link : world.path;
    header.copy(world.request.header, sizeof world.request.header - 1);

    const auto destroyed = destroy_keyslots(world.request, header);
    REQUIRE_FALSE(destroyed.keyslots);
    CHECK(destroyed.keyslots.error().sys_errno == EPERM);
    CHECK_FALSE((own ? other : world).opens("old secret"));
    CHECK(is_marked(world.request));
    const auto refused = finish_destruction(world.request);
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().message(), !Catch::Matchers::Contains("keyslot"));

    fs::remove(link);
    fs::create_symlink(faulty.path, link);
    REQUIRE(faulty.opens("old secret"));
    CHECK(finishes(world.request));
    CHECK_FALSE(faulty.opens("old secret"));
    CHECK_FALSE(is_marked(world.request));
}

TEST_CASE("what whoever re-encrypts it writes behind a destruction is destroyed by the next one") {
    World world;
    world.path.copy(world.request.source, sizeof world.request.source - 1);
    world.path.copy(world.request.header, sizeof world.request.header - 1);
    const std::string before = world.content();
    {
        const auto turn = take_turn(world.request);
        REQUIRE(turn);
        CHECK(destroy_keyslots(world.request, world.path).keyslots);
        CHECK(finishes(world.request));
        std::ofstream(world.path, std::ios::binary) << before;
        REQUIRE(world.opens("old secret"));
    }
    CHECK(finishes(world.request));
    CHECK_FALSE(world.opens("old secret"));
    CHECK_FALSE(finishes(world.request));
}

TEST_CASE("no mark is left of a destruction that is over") {
    const World world;
    CHECK(destroy_keyslots(world.request, world.path).keyslots);
    CHECK_FALSE(is_marked(world.request));
    CHECK(fs::is_empty(text(world.request.attempts)));
    CHECK(unmark_ending(world.request));
}

TEST_CASE("of a mode that counts nothing no directory is left either") {
    World world;
    world.request.key = KeyKind::device_key;
    CHECK(destroy_keyslots(world.request, world.path).keyslots);
    CHECK_FALSE(fs::exists(text(world.request.attempts)));
}

TEST_CASE("a wiped header is none, however little of it could be read before") {
    const World world;
    {
        std::fstream stream(world.path, std::ios::in | std::ios::out | std::ios::binary);
        stream << std::string(64 << 10, 'x');
    }
    REQUIRE(wipe_header(world.path));
    const std::string content = world.content();
    CHECK(content.find_first_not_of('\0') == std::string::npos);
    CHECK_FALSE(CryptDevice::of_device(world.path)->load());
}

TEST_CASE("a TPM that cannot be asked is told of, and keeps no keyslot alive") {
    const World world;
    REQUIRE(world.open().write_token(R"({"type":"pmos-tpm","keyslots":["1"],"version":"1"})"));
    const auto destroyed = destroy_keyslots(world.request, world.path);
    CHECK(destroyed.keyslots);
    CHECK_FALSE(destroyed.outside);
    CHECK_FALSE(world.opens("old secret"));
    CHECK_FALSE(world.opens("second"));
}

TEST_CASE("another volume's keyslots are destroyed where its header is, be its data there or not") {
    World world;
    const World other;
    const std::string line = "fmore /nowhere/more.img\t" + other.path + "\n";
    line.copy(world.request.others, sizeof world.request.others - 1);
    REQUIRE(destroy_keyslots(world.request, world.path).keyslots);
    CHECK_FALSE(world.opens("old secret"));
    CHECK_FALSE(other.opens("old secret"));
}

TEST_CASE("of a volume that is being re-encrypted the next key goes as well") {
    const World world;
    {
        auto crypt = world.open();
        REQUIRE(crypt.add_next_key(2, 0, kCheap, bytes("old secret")));
    }
    REQUIRE(world.open().unseal(bytes("old secret"), 2));
    CHECK(destroy_keyslots(world.request, world.path).keyslots);
    CHECK_FALSE(world.open().unseal(bytes("old secret"), 2));
    CHECK_FALSE(world.opens("old secret"));
}

TEST_CASE(
    "a re-encryption that was cut short ends with both of its keys, wherever it had come to") {
    const bool within = GENERATE(true, false);
    const VolumeFile volume;
    within ? volume.stop_in_piece() : volume.stop_behind_last_piece();
    auto crypt = volume.open();
    if (within) REQUIRE(prepare_mending(volume.request, crypt));  // as whoever tries a secret does
    const auto areas = crypt.keyslot_areas();
    REQUIRE(areas.size() == 3);  // both keys, and what the work itself notes
    const std::string before = volume.header(), data = volume.raw();
    CHECK(fs::exists(text(volume.request.undo)) == within);

    CHECK(destroy_keyslots(volume.request, volume.path).keyslots);
    CHECK_FALSE(fs::exists(text(volume.request.undo)));
    const std::string after = volume.header();
    for (const Area& area : areas)
        CHECK(before.substr(area.offset, area.length) != after.substr(area.offset, area.length));
    CHECK(volume.raw() == data);

    auto again = volume.open();
    const auto opened = volume.begin(again);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == Code::wrong_secret);
    CHECK(volume.raw() == data);
}
