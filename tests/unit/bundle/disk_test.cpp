// tests: the directory that the slots lie in, as the kernel has it.
#include "runtime/bundle/disk.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <filesystem>

using namespace pmos;
using namespace pmos::bundle;

TEST_CASE("a write that fails half-way leaves no file to fill the storage with") {
    char path[] = "/tmp/pmos-disk-XXXXXX";
    REQUIRE(::mkdtemp(path) != nullptr);
    auto disk = DirectoryDisk::open(path);
    REQUIRE(disk);
    REQUIRE(replace(*disk, "a.bundle", "as it was"));
    // What a full storage does, without one: the file may not grow any more.
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    const rlimit small{4096, before.rlim_max};
    ::signal(SIGXFSZ, SIG_IGN);
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    const auto written = replace(*disk, "a.bundle", std::string(1U << 20U, 'x'));
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
    ::signal(SIGXFSZ, SIG_DFL);
    CHECK_FALSE(written);
    CHECK_FALSE(std::filesystem::exists(std::string(path) + "/a.bundle.new"));
    CHECK(disk->read("a.bundle", 100).value() == "as it was");
    std::filesystem::remove_all(path);
}
