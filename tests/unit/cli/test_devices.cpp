// tests: the devices of a phone, against the fake service, and who has them open, in made-up /proc.
#include <fmt/format.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "cli/open_devices.h"
#include "harness.h"

using Catch::Contains;
using namespace pmos;
using namespace pmos::cli::test;

namespace fs = std::filesystem;

namespace {

class Tree {
  public:
    Tree() { REQUIRE(::mkdtemp(path_.data()) != nullptr); }
    Tree(const Tree&) = delete;
    Tree& operator=(const Tree&) = delete;
    ~Tree() { fs::remove_all(path_); }
    std::string operator()(const std::string& name) const { return path_ + "/" + name; }
    void write(const std::string& name, const std::string& text) const {
        fs::create_directories(fs::path((*this)(name)).parent_path());
        std::ofstream((*this)(name)) << text;
    }
    void link(const std::string& name, const std::string& target) const {
        fs::create_directories(fs::path((*this)(name)).parent_path());
        fs::create_symlink(target, (*this)(name));
    }

  private:
    std::string path_ = "/tmp/pmos-devices-XXXXXX";
};

}  // namespace

TEST_CASE("devices are shown with whose they are") {
    Service service;
    const auto table = service.run({"devices", "list"});
    CHECK(table.status == 0);
    CHECK_THAT(table.out, Contains("CLASS") && Contains("personal  secure") &&
                              Contains("/dev/null") && Contains("always    never") &&
                              !Contains("\x1b"));
    const auto json = service.run({"devices", "list", "--json"});
    CHECK_THAT(json.out, Contains("\"node\": \"/dev/null\"") &&
                             Contains("\"personal\": \"always\"") && Contains("\"driver\""));
}

TEST_CASE("grants are shown with their place") {
    Service service;
    const auto table = service.run({"devices", "grants", "personal"});
    CHECK(table.status == 0);
    CHECK_THAT(table.out, Contains("personal.json:24:14") && Contains("/dev/null, /dev/zero"));
    CHECK_THAT(service.run({"devices", "grants", "personal", "--json"}).out,
               Contains("\"at\": \"\""));
    CHECK(service.run({"devices", "grants", "nobody"}).status != 0);
    CHECK(service.run({"devices", "grants"}).status == 2);
}

TEST_CASE("who holds a device is found by its number, in threads and memory as well") {
    const Tree tree;
    tree.write("cg/cgroup.procs", "10\n");
    tree.write("cg/inner/cgroup.procs", "12\n11\n99\n");
    tree.write("proc/10/comm", "holder\n");
    tree.link("proc/10/task/10/fd/3", "/dev/null");
    tree.link("proc/10/task/10/fd/1", "/dev/zero");
    tree.link("proc/10/task/15/fd/7", "/dev/null");
    tree.link("proc/10/task/15/fd/8", "/nonexistent");
    tree.write("proc/11/comm", "mapper\n");
    tree.link("proc/11/map_files/1-2", "/dev/null");
    tree.write("proc/12/comm", "bystander\n");
    tree.link("proc/12/task/12/fd/0", "/dev/zero");
    tree.link("proc/12/task/12/fd/1", tree("cg/cgroup.procs"));
    // In no cgroup of the mode.
    tree.link("proc/13/task/13/fd/0", "/dev/null");
    const auto null = cli::device_number("/dev/null");
    REQUIRE(null);
    CHECK_FALSE(cli::device_number("/tmp"));
    CHECK_FALSE(cli::device_number("/nonexistent"));
    const auto found = cli::open_devices(tree("cg"), {*null}, tree("proc"));
    REQUIRE(found.size() == 2);
    CHECK(found[0].pid == 10);
    CHECK(found[0].program == "holder");
    CHECK(found[0].fds == std::set<int>{3, 7});
    CHECK_FALSE(found[0].mapped);
    CHECK(found[1].pid == 11);
    CHECK(found[1].fds.empty());
    CHECK(found[1].mapped);
    CHECK(cli::open_devices(tree("gone"), {*null}, tree("proc")).empty());
}
