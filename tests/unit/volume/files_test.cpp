// tests: temporary files, device keys and loop-free parts of the volume worker, on this kernel.
#include "runtime/volume/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "runtime/volume/key.h"
#include "runtime/volume/request.h"

using namespace pmos;
using namespace pmos::volume;
namespace fs = std::filesystem;

namespace {

struct TemporaryDirectory {
    std::string path = "/tmp/pmos-volume-test-XXXXXX";
    TemporaryDirectory() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
    ~TemporaryDirectory() { fs::remove_all(path); }
};

}  // namespace

TEST_CASE("a temporary file gets its name only when it is kept, and never replaces") {
    const TemporaryDirectory dir;
    const std::string final_path = dir.path + "/v.img";
    auto file = TemporaryFile::make(final_path);
    REQUIRE(file);
    CHECK(fs::exists(file->path()));
    CHECK_FALSE(fs::exists(final_path));
    struct stat st {};
    REQUIRE(::stat(file->path().c_str(), &st) == 0);
    CHECK((st.st_mode & 0777) == 0600);
    CHECK(is_being_made(final_path));

    auto second = TemporaryFile::make(final_path);
    REQUIRE(second);
    REQUIRE(file->keep());
    CHECK(fs::exists(final_path));
    auto replaced = second->keep();
    REQUIRE_FALSE(replaced);
    CHECK(replaced.error().code == Code::already_exists);
    CHECK(second->discard(Error{}).undo_failures.empty());
    CHECK_FALSE(fs::exists(second->path()));
}

TEST_CASE("what a dead worker left is removed, what a live one makes is not") {
    const TemporaryDirectory dir;
    const std::string final_path = dir.path + "/v.img";
    std::ofstream(final_path + ".tmp-dead00") << "x";
    std::ofstream(dir.path + "/other.img.tmp-dead00") << "x";
    CHECK_FALSE(is_being_made(final_path));
    auto removed = remove_leftovers(final_path);
    REQUIRE(removed);
    CHECK(*removed);
    CHECK_FALSE(fs::exists(final_path + ".tmp-dead00"));
    CHECK(fs::exists(dir.path + "/other.img.tmp-dead00"));

    auto live = TemporaryFile::make(final_path);
    REQUIRE(live);
    removed = remove_leftovers(final_path);
    REQUIRE(removed);
    CHECK_FALSE(*removed);
    CHECK(fs::exists(live->path()));
}

TEST_CASE("a device key is made once, private, and read back whole") {
    const TemporaryDirectory dir;
    const std::string path = dir.path + "/keys/personal";
    auto made = make_device_key(path);
    REQUIRE(made);
    CHECK(*made);
    auto first = read_device_key(path);
    REQUIRE(first);
    CHECK(first->bytes().size() == kDeviceKeyBytes);
    made = make_device_key(path);
    REQUIRE(made);
    CHECK_FALSE(*made);
    auto again = read_device_key(path);
    REQUIRE(again);
    CHECK(std::ranges::equal(first->bytes(), again->bytes()));
    CHECK(std::distance(fs::directory_iterator(dir.path + "/keys"), {}) == 1);

    REQUIRE(::chmod(path.c_str(), 0640) == 0);
    CHECK(read_device_key(path).error().code == Code::denied);
    REQUIRE(::chmod(path.c_str(), 0600) == 0);
    REQUIRE(::truncate(path.c_str(), 63) == 0);
    CHECK_FALSE(read_device_key(path));
    REQUIRE(::unlink(path.c_str()) == 0);
    CHECK(read_device_key(path).error().code == Code::not_found);
    REQUIRE(::symlink("/etc/passwd", path.c_str()) == 0);
    CHECK_FALSE(read_device_key(path));
}

TEST_CASE("device keys are not kept in a directory that others can enter") {
    const TemporaryDirectory dir;
    fs::create_directory(dir.path + "/keys");
    REQUIRE(::chmod((dir.path + "/keys").c_str(), 0755) == 0);
    auto made = make_device_key(dir.path + "/keys/k");
    REQUIRE_FALSE(made);
    CHECK(made.error().code == Code::denied);
    CHECK_FALSE(fs::exists(dir.path + "/keys/k"));
}
