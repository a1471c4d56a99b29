// tests: files that others wrote: links, FIFOs, devices, sizes, and a link swapped in meanwhile.
#include "base/regular_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

using namespace pmos;
namespace fs = std::filesystem;

namespace {

struct Directory {
    Directory() {
        char name[] = "/tmp/pmos-file-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        path = name;
    }
    ~Directory() { fs::remove_all(path); }
    std::string write(const std::string& name, const std::string& text) const {
        std::ofstream(path + "/" + name) << text;
        return path + "/" + name;
    }
    std::string path;
};

constexpr std::size_t kLimit = 1000;

std::string why(const Result<std::string>& result) {
    REQUIRE_FALSE(result.has_value());
    return result.error().why;
}

}  // namespace

TEST_CASE("a regular file is read whole, up to its limit") {
    const Directory dir;
    CHECK(read_regular_file(dir.write("empty", ""), kLimit).value().empty());
    CHECK(read_regular_file(dir.write("full", std::string(kLimit, 'x')), kLimit).value().size() ==
          kLimit);
    CHECK(why(read_regular_file(dir.write("more", std::string(kLimit + 1, 'x')), kLimit))
              .find("larger") != std::string::npos);
    const auto sparse = dir.write("sparse", "");
    REQUIRE(::truncate(sparse.c_str(), 1LL << 40) == 0);
    CHECK(why(read_regular_file(sparse, kLimit)).find("larger") != std::string::npos);
    CHECK(read_regular_file(dir.path + "/none", kLimit).error().sys_errno == ENOENT);
}

TEST_CASE("what is no regular file is refused at once") {
    const Directory dir;
    const auto fifo = dir.path + "/fifo", link = dir.path + "/link";
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    REQUIRE(::symlink("/etc/passwd", link.c_str()) == 0);
    CHECK(why(read_regular_file(fifo, kLimit)) == "it is not a regular file");
    CHECK(why(read_regular_file("/dev/zero", kLimit)) == "it is not a regular file");
    CHECK(why(read_regular_file(dir.path, kLimit)) == "it is not a regular file");
    CHECK(why(read_regular_file(link, kLimit)) == "it is a symbolic link");
}

TEST_CASE("below a directory: no link on the way, no way out") {
    const Directory dir, other;
    fs::create_directory(dir.path + "/sub");
    dir.write("sub/file", "good");
    other.write("file", "foreign");
    fs::create_directory_symlink(other.path, dir.path + "/linked");
    fs::create_directory_symlink("sub", dir.path + "/inward");
    CHECK(read_regular_file_below(dir.path, "sub/file", kLimit).value() == "good");
    CHECK(why(read_regular_file_below(dir.path, "linked/file", kLimit)) == "it is a symbolic link");
    CHECK(why(read_regular_file_below(dir.path, "inward/file", kLimit)) == "it is a symbolic link");
    CHECK(why(read_regular_file_below(dir.path, "sub/../../x", kLimit)) ==
          "it lies outside of its directory");
    CHECK(why(read_regular_file_below(dir.path, "/etc/passwd", kLimit)) ==
          "it lies outside of its directory");
    CHECK_FALSE(read_regular_file_below(dir.path, "sub/none", kLimit).has_value());
    CHECK_FALSE(read_regular_file_below(dir.path + "/none", "x", kLimit).has_value());
}

TEST_CASE("a link that is swapped in meanwhile is never followed") {
    const Directory dir, other;
    const auto foreign = other.write("foreign", "foreign");
    const auto name = dir.write("a.json", "good"), spare = dir.path + "/spare";
    REQUIRE(::symlink(foreign.c_str(), spare.c_str()) == 0);
    std::atomic<bool> stop = false;
    std::atomic<int> swaps = 0;
    std::thread swapper([&] {
        while (!stop) {
            // File and link change places in one step.
            if (::renameat2(AT_FDCWD, name.c_str(), AT_FDCWD, spare.c_str(), RENAME_EXCHANGE) == 0)
                ++swaps;
        }
    });
    int good = 0, refused = 0, other_result = 0;
    for (int i = 0; i < 20000 && (i < 2000 || good == 0 || refused == 0); ++i) {
        const auto a = read_regular_file(name, kLimit);
        const auto b = read_regular_file_below(dir.path, "a.json", kLimit);
        for (const auto& result : {a, b}) {
            if (result && *result == "good")
                ++good;
            else if (!result && result.error().why == "it is a symbolic link")
                ++refused;
            else
                ++other_result;
        }
    }
    stop = true;
    swapper.join();
    INFO("swaps " << swaps << ", good " << good << ", refused " << refused);
    CHECK(other_result == 0);
    CHECK(good > 0);
    CHECK(refused > 0);
}
