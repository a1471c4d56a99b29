// tests: the devices of a phone, against the fake service, and who has them open, in made-up /proc.
#include <fmt/format.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "cli/drm_usage.h"
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

TEST_CASE("what a mode uses of a GPU is summed by client, as its driver tells") {
    const auto client = cli::drm_client(
        "pos:\t0\ndrm-driver:\tamdgpu\ndrm-pdev:\t0000:03:00.0\ndrm-client-id:\t7\n"
        "drm-memory-vram:\t2048 KiB\ndrm-memory-gtt:\t1 MiB\n"
        "drm-engine-gfx:\t1500 ns\ndrm-engine-capacity-gfx:\t4\ndrm-engine-dec:\t500 ns\n");
    REQUIRE(client);
    CHECK(client->driver == "amdgpu");
    CHECK(client->memory == 3U << 20);
    CHECK(client->busy_ns == 2000);
    // Where both are told, what is in memory counts, not what was asked for.
    const auto newer = cli::drm_client(
        "drm-driver: panthor\ndrm-client-id: 1\ndrm-total-memory: 9 MiB\ndrm-resident-memory: 4 "
        "MiB\n");
    REQUIRE(newer);
    CHECK(newer->memory == 4U << 20);
    CHECK_FALSE(cli::drm_client("pos:\t0\nflags:\t02\n"));
    CHECK_FALSE(cli::drm_client("drm-driver:\tvirtio_gpu\ndrm-client-id:\t2\n"));
    CHECK_FALSE(cli::drm_client(""));

    const Tree tree;
    const std::string one =
        "drm-driver: msm\ndrm-client-id: 1\ndrm-engine-gpu: 5 ns\ndrm-memory-all: 8 KiB\n";
    const std::string two = "drm-driver: msm\ndrm-client-id: 2\ndrm-engine-gpu: 6 ns\n";
    tree.write("proc/10/fdinfo/3", one);
    tree.write("proc/10/fdinfo/4", two);
    tree.write("proc/11/fdinfo/3", one);  // the same, handed on
    tree.write("proc/11/fdinfo/5", "pos: 0\n");
    const auto used = cli::drm_usage({{.pid = 10, .program = "", .device = {}, .fds = {3, 4}},
                                      {.pid = 11, .program = "", .device = {}, .fds = {3, 5}},
                                      {.pid = 12, .program = "", .device = {}, .fds = {3}}},
                                     tree("proc"));
    CHECK(used.clients == 2);
    CHECK(used.memory == 8192);
    CHECK(used.busy_ns == 11);
    CHECK(used.silent == 2);
    CHECK(used.drivers == std::set<std::string>{"msm"});
}
