// tests: what pmosd keeps of a lock that is under way.
#include "runtime/daemon/lock_record.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "runtime/daemon/run_file.h"

using namespace pmos;
using namespace pmos::daemon;

TEST_CASE("a lock's record comes back as it was written, or as the stronger lock") {
    char path[] = "/tmp/pmos-test-XXXXXX";
    Paths paths;
    paths.run = ::mkdtemp(path);
    std::filesystem::create_directories(paths.mode_dir("a"));
    const std::string file = paths.mode_dir("a") + "/lock";
    CHECK_FALSE(read_lock_record(paths, "a"));
    REQUIRE(write_lock_record(paths, "a", {123456789, true, false}));
    auto record = read_lock_record(paths, "a");
    REQUIRE(record);
    CHECK(record->at == 123456789);
    CHECK(record->thaw);
    CHECK_FALSE(record->evict);
    for (const char* text : {"x", "at=\nthaw=1\nevict=0\n", "at=12x\nevict=0\n", "at=1\nthaw=1\n",
                             "at=1\nevict=1\n", "at=1\nevict=\n"}) {
        INFO(text);
        REQUIRE(replace_file(file, text));
        record = read_lock_record(paths, "a");
        REQUIRE(record);
        CHECK(record->evict);
    }
    CHECK(remove_lock_record(paths, "a"));
    CHECK(remove_lock_record(paths, "a"));
    CHECK_FALSE(read_lock_record(paths, "a"));
    CHECK_FALSE(write_lock_record(paths, "no-such-mode", {}));
    std::filesystem::remove_all(paths.run);
}
