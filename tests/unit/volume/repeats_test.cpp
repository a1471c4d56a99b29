// tests: the last wrong secrets are known again, five of them, and the file of them holds none.
#include "runtime/volume/repeats.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

using namespace pmos;
using namespace pmos::volume;
namespace fs = std::filesystem;

namespace {

const KeyslotCost kCheap{"argon2id", 1, 64, 1};

struct World {
    std::string dir = "/tmp/pmos-repeats-test-XXXXXX";
    World() { REQUIRE(::mkdtemp(dir.data()) != nullptr); }
    ~World() { fs::remove_all(dir); }
    std::string path() const { return dir + "/attempts/secure"; }
    bool again(std::string_view secret, const KeyslotCost& cost = kCheap) const {
        const auto answer = Repeats(path()).again(hash_of(secret, cost), only(0));
        REQUIRE(answer);
        return *answer;
    }
    bool knows(std::string_view secret) const {
        return Repeats(path()).knows(hash_of(secret, kCheap)).has_value();
    }
    SecretHash hash_of(std::string_view secret, const KeyslotCost& cost) const {
        const auto salt = Repeats(path()).salt();
        REQUIRE(salt);
        const auto hash = hash_secret(std::as_bytes(std::span(secret)), *salt, cost);
        REQUIRE(hash);
        return *hash;
    }
    std::string bytes() const {
        std::ifstream stream(path(), std::ios::binary);
        return {std::istreambuf_iterator<char>(stream), {}};
    }
};

}  // namespace

TEST_CASE("a wrong secret is known again, the last five of them, until the right one comes") {
    const World world;
    for (int i = 0; i < 6; ++i) CHECK_FALSE(world.again(fmt::format("guess-{}", i)));
    for (int i = 1; i < 6; ++i) CHECK(world.again(fmt::format("guess-{}", i)));
    // Asked only, nothing changes.
    CHECK_FALSE(world.knows("guess-0"));
    CHECK_FALSE(world.knows("guess-0"));
    CHECK(world.knows("guess-1"));
    CHECK_FALSE(world.again("guess-0"));
    CHECK_FALSE(world.again("guess-1"));
    CHECK_FALSE(world.again("guess-"));
    CHECK(world.bytes().size() == 32 + 36 * Repeats::kKept);
    REQUIRE(Repeats(world.path()).forget());
    REQUIRE(Repeats(world.path()).forget());
    CHECK_FALSE(fs::exists(world.path()));
    CHECK_FALSE(Repeats(world.path()).has_any());
    CHECK_FALSE(world.knows("guess-5"));
    CHECK_FALSE(world.again("guess-5"));
}

TEST_CASE("where it was wrong is kept beside it") {
    const World world;
    const Repeats repeats(world.path());
    CHECK_FALSE(repeats.knows(world.hash_of("another", kCheap)));
    CHECK_FALSE(world.again("another"));
    const auto hash = world.hash_of("guess", kCheap);
    CHECK_FALSE(Repeats(world.path()).again(hash, only(0) | only(3)).value());
    CHECK(repeats.knows(hash) == (only(0) | only(3)));
    CHECK(Repeats(world.path()).again(hash, only(31)).value());
    CHECK(Repeats(world.path()).again(hash, only(0)).value());
    CHECK(repeats.knows(hash) == (only(0) | only(3) | only(31)));
    CHECK(repeats.knows(world.hash_of("another", kCheap)) == only(0));
}

TEST_CASE("the file is root's, salted, and says nothing at another cost") {
    const World one, other;
    CHECK_FALSE(one.again("123456"));
    CHECK_FALSE(other.again("123456"));
    CHECK(one.bytes() != other.bytes());
    CHECK(one.bytes().find("123456") == std::string::npos);
    struct stat st {};
    REQUIRE(::stat(one.path().c_str(), &st) == 0);
    CHECK((st.st_mode & 07777U) == 0600);
    // The volume was made anew with another cost: it counts once more.
    CHECK_FALSE(one.again("123456", {"argon2id", 2, 64, 1}));
    CHECK_FALSE(one.again("123456", {"argon2i", 1, 64, 1}));
    CHECK(one.again("123456"));
}

TEST_CASE("a file of another shape is begun anew, and a cost that cannot be had is an error") {
    const World world;
    CHECK_FALSE(world.again("123456"));
    std::ofstream(world.path(), std::ios::app) << "x";
    CHECK_FALSE(world.again("123456"));
    CHECK(world.again("123456"));
    CHECK_FALSE(hash_secret({}, {}, {"argon2id", 0, 64, 1}));
    // A header with another salt: what is kept is of no use.
    const auto salt = random_salt();
    const auto hash = hash_secret(std::as_bytes(std::span("123456", 6)), *salt, kCheap);
    REQUIRE(hash);
    CHECK_FALSE(Repeats(world.path()).again(*hash, only(0)).value());
    CHECK(world.bytes().size() == 32 + 36);
    CHECK(world.again("123456"));
}
