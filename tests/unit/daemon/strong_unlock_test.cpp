// tests: when a finger is enough, and that whatever cannot be read is as if no secret had been
// given.
#include "runtime/daemon/strong_unlock.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "runtime/daemon/run_file.h"

using namespace pmos;
using namespace pmos::daemon;

TEST_CASE("a finger is enough within its time, after few wrong ones, and else the secret") {
    constexpr std::uint32_t kHour = 3'600'000;
    constexpr std::uint64_t kAt = 50'000'000, kEnd = kAt + std::uint64_t{kHour} * 1000;
    CHECK(why_strong(StrongUnlock{kAt, 0}, kHour, kAt) == "");
    CHECK(why_strong(StrongUnlock{kAt, 0}, kHour, kEnd) == "");
    CHECK(why_strong(StrongUnlock{kAt, 0}, kHour, kEnd + 1) == "expired");
    CHECK(why_strong(StrongUnlock{kAt, kMostFingers - 1}, kHour, kAt) == "");
    CHECK(why_strong(StrongUnlock{kAt, kMostFingers}, kHour, kAt) == "too-many");
    CHECK(why_strong(std::nullopt, kHour, kAt) == "never");
    // A clock that went back belongs to another boot.
    CHECK(why_strong(StrongUnlock{kAt, 0}, kHour, kAt - 1) == "never");
    CHECK(why_strong(StrongUnlock{kAt, 0}, 0, kAt + 1) == "expired");
}

TEST_CASE("what is kept of the last secret comes back whole or not at all") {
    char path[] = "/tmp/pmos-test-XXXXXX";
    Paths paths;
    paths.run = ::mkdtemp(path);
    std::filesystem::create_directories(paths.mode_dir("a"));
    CHECK_FALSE(read_strong_unlock(paths, "a"));
    REQUIRE(write_strong_unlock(paths, "a", {123456789, 3}));
    const auto last = read_strong_unlock(paths, "a");
    REQUIRE(last);
    CHECK(last->at == 123456789);
    CHECK(last->refused == 3);
    for (const char* text :
         {"x", "", "at=5\n", "refused=0\n", "at=5x\nrefused=0\n", "at=0\nrefused=0\n",
          "at=5\nrefused=\n", "at=5\nrefused=-1\n", "at=-5\nrefused=0\n"}) {
        INFO(text);
        REQUIRE(replace_file(paths.mode_dir("a") + "/strong", text));
        CHECK_FALSE(read_strong_unlock(paths, "a"));
    }
    CHECK(remove_strong_unlock(paths, "a"));
    CHECK(remove_strong_unlock(paths, "a"));
    CHECK_FALSE(write_strong_unlock(paths, "no-such-mode", {}));
    std::filesystem::remove_all(paths.run);
}
