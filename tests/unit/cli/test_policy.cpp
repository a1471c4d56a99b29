// tests: policy check over files, without any service.
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "harness.h"

using namespace pmos::cli::test;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

struct Directory {
    Directory() {
        char name[] = "/tmp/pmos-check-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        path = name;
    }
    ~Directory() { fs::remove_all(path); }
    std::string write(const std::string& name, const std::string& text) const {
        std::ofstream(path / name) << text;
        return (path / name).string();
    }
    fs::path path;
};

}  // namespace

TEST_CASE("the shipped profiles have no errors") {
    const Service service;
    const auto r = service.run({"policy", "check", std::getenv("PROFILES")});
    CHECK(r.status == 0);
    CHECK_THAT(r.out, Contains(" 0 errors"));
}

TEST_CASE("a fault is shown with its line and a caret, and as JSON") {
    const Service service;
    const Directory dir;
    dir.write("bad.json", "{ \"pmos\": 1,\n  \"mode\": \"bad\", \"rooot\": {} }\n");
    const auto text = service.run({"policy", "check", dir.path.string()});
    CHECK(text.status == 1);
    CHECK_THAT(text.out, Contains("bad.json:2:") && Contains("error:") &&
                             Contains("2 |   \"mode\": \"bad\", \"rooot\": {} }\n") &&
                             Contains("^"));
    const auto json =
        nlohmann::json::parse(service.run({"policy", "check", "--json", dir.path.string()}).out);
    REQUIRE(json.is_array());
    bool found = false;
    for (const auto& d : json)
        found = found || (d["pointer"] == "/rooot" && d["line"] == 2 && d["severity"] == "error" &&
                          !d["rule"].get<std::string>().empty());
    CHECK(found);
}

TEST_CASE("what is no regular file is refused, and does not block") {
    const Service service;
    const Directory dir;
    const auto fifo = (dir.path / "fifo.json").string();
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    const auto r = service.run({"policy", "check", fifo});
    CHECK(r.status == 2);
    CHECK_THAT(r.err, Contains("it is not a regular file"));
    const auto link = (dir.path / "link.json").string();
    REQUIRE(::symlink("/etc/passwd", link.c_str()) == 0);
    CHECK_THAT(service.run({"policy", "check", link}).err, Contains("it is a symbolic link"));
    CHECK(service.run({"policy", "check", "/dev/zero"}).status == 2);
    const auto large = dir.write("large.json", std::string((1U << 20) + 1, ' '));
    CHECK_THAT(service.run({"policy", "check", large}).err, Contains("larger than 1 MiB"));
    CHECK(service.run({"policy", "check", "/nonexistent.json"}).status == 13);
}
