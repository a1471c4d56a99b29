// native tests: what a started mode sees, through the probe.
#include <sys/resource.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <sstream>

#include "world.h"

using namespace pmos;
using namespace pmos::test;
using nlohmann::json;

namespace {

const json* find_mount(const json& mounts, const std::string& target) {
    const json* last = nullptr;
    for (const json& line : mounts) {
        std::istringstream in(line.get<std::string>());
        std::string field;
        for (int i = 0; i < 5; ++i) in >> field;
        if (field == target) last = &line;
    }
    return last;
}

bool has_option(const json& mount, const std::string& option) {
    std::istringstream in(mount.get<std::string>());
    std::string field;
    for (int i = 0; i < 6; ++i) in >> field;
    return ("," + field + ",").find("," + option + ",") != std::string::npos;
}

}  // namespace

TEST_CASE("a started mode is what its plan says") {
    World world;
    const json r = world.report(base_plan());

    SECTION("identity") {
        CHECK(r["uid"] == 0);
        CHECK(r["gid"] == 0);
        CHECK(r["groups"].empty());
        CHECK(r["uid_map"].size() == 1);
        std::istringstream map(r["uid_map"][0].get<std::string>());
        unsigned inside = 1, outside = 0, count = 0;
        map >> inside >> outside >> count;
        CHECK(inside == 0);
        CHECK(outside == 300000);
        CHECK(count == 65536);
        CHECK(r["umask"] == 0027);
        CHECK(r["hostname"] == "probe-host");
        CHECK(r["domainname"] == "");
        CHECK(r["cwd"] == "/");
        CHECK(r["init"] == "pmos-init\n");
        CHECK(r["ppid"] == 1);
        CHECK(r["sid"] == r["pid"]);
        // Version 1 hierarchies may be there as well; the unified one starts at the mode's own.
        CHECK(r["cgroup"].back() == "0::/");
    }
    SECTION("arguments and environment arrive as planned") {
        CHECK(r["args"] == json::array({"probe"}));
        CHECK(r["env"] == json::array({"PATH=/nowhere:/bin", "HOME=/", "container=pmos"}));
    }
    SECTION("no privilege is left") {
        const json& s = r["status"];
        for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"})
            CHECK(s[set] == "0000000000000000");
        CHECK(s["NoNewPrivs"] == "1");
        CHECK(s["Seccomp"] == "2");
        CHECK(r["securebits"] == 0xef);
        CHECK(s["SigBlk"] == "0000000000000000");
        CHECK(s["SigIgn"] == "0000000000000000");
    }
    SECTION("escapes are refused") {
        const json& a = r["attempts"];
        CHECK(a["read /proc/1/exe"] == EACCES);
        CHECK(a["write /proc/1/exe"] == EACCES);
        CHECK(a["read /proc/1/environ"] == EACCES);
        CHECK(a["write /proc/sys/kernel/core_pattern"] != 0);
        CHECK(a["write /proc/sysrq-trigger"] != 0);
        CHECK(a["create in /"] == EROFS);
        CHECK(a["sethostname"] == EPERM);
    }
    SECTION("only stdio is open") {
        CHECK(r["fds"].size() == 3);
        CHECK(r["fds"]["0"] == "/dev/null");
        CHECK(r["fds"]["1"].get<std::string>().rfind("pipe:", 0) == 0);
    }
    SECTION("all eight namespaces are its own, the network's is the one made ahead") {
        for (const auto& [name, link] : r["namespaces"].items()) {
            const std::string ours =
                std::filesystem::read_symlink("/proc/self/ns/" + name).string();
            INFO(name);
            CHECK(link != ours);
        }
        struct stat net {};
        REQUIRE(fstat(world.net_ns().get(), &net) == 0);
        CHECK(r["namespaces"]["net"] == "net:[" + std::to_string(net.st_ino) + "]");
    }
    SECTION("the clocks are offset") {
        timespec now{};
        clock_gettime(CLOCK_MONOTONIC, &now);
        CHECK(std::abs(r["monotonic"].get<long>() - now.tv_sec - 5000) <= 2);
        clock_gettime(CLOCK_BOOTTIME, &now);
        CHECK(std::abs(r["boottime"].get<long>() - now.tv_sec - 7000) <= 2);
    }
    SECTION("limits") {
        CHECK(r["limits"][RLIMIT_NOFILE] == json::array({512, 1024}));
        CHECK(r["limits"][RLIMIT_CORE] == json::array({0, 0}));
    }
}

TEST_CASE("the tree of a mode holds its plan's mounts and nothing of the phone's") {
    World world;
    const json r = world.report(base_plan());
    const json& mounts = r["mounts"];
    // 7 planned trees, and what is hidden or read-only where this kernel has it.
    std::size_t expected = 7;
    for (const char* covered : {"kcore", "acpi", "scsi", "tty", "version", "sys", "sysrq-trigger"})
        expected += std::filesystem::exists(std::string("/proc/") + covered);
    INFO(mounts.dump(1));
    CHECK(mounts.size() == expected);
    for (const json& line : mounts) {
        INFO(line.get<std::string>());
        CHECK(line.get<std::string>().find("shared:") == std::string::npos);
        CHECK(line.get<std::string>().find("master:") == std::string::npos);
    }
    REQUIRE(find_mount(mounts, "/") != nullptr);
    CHECK(has_option(*find_mount(mounts, "/"), "ro"));
    CHECK(has_option(*find_mount(mounts, "/"), "nosuid"));
    CHECK(has_option(*find_mount(mounts, "/"), "nodev"));
    CHECK(find_mount(mounts, "/")->get<std::string>().find("idmapped") != std::string::npos);
    REQUIRE(find_mount(mounts, "/proc/sys") != nullptr);
    CHECK(has_option(*find_mount(mounts, "/proc/sys"), "ro"));
    REQUIRE(find_mount(mounts, "/proc/tty") != nullptr);
    CHECK(find_mount(mounts, "/proc/tty")->get<std::string>().find(" tmpfs ") != std::string::npos);
    REQUIRE(find_mount(mounts, "/proc/version") != nullptr);
    CHECK(find_mount(mounts, "/proc/version")->get<std::string>().find(" /null ") !=
          std::string::npos);
    // bin dev proc sys tmp data mnt etc run usr
    CHECK(r["root"].size() == 10);
}

TEST_CASE("device nodes are exactly the planned ones, owned by the mode, and open") {
    World world;
    const json r = world.report(base_plan());
    const json& dev = r["dev"];
    for (const char* name : {"null", "zero", "full", "random", "urandom"}) {
        const json& node = dev["/dev/" + std::string(name)];
        INFO(name);
        CHECK(node["open"] == 0);
        CHECK(node["uid"] == 0);
        CHECK(node["gid"] == 0);
        CHECK((node["mode"].get<unsigned>() & 0777) == 0666);
    }
    CHECK(dev["/dev/null"]["rdev"] == json::array({1, 3}));
    CHECK(dev["/dev/ptmx"]["link"] == "pts/ptmx");
    CHECK(dev["/dev/pts/ptmx"]["rdev"] == json::array({5, 2}));
    CHECK(dev["/dev/shm"]["uid"] == 0);
    // null zero full random urandom tty fd ptmx pts pts/ptmx shm mqueue
    CHECK(dev.size() == 12);
}

TEST_CASE("an ordinary user with groups, an ambient capability and an OOM score") {
    World world;
    policy::LaunchPlan plan = base_plan();
    plan.process.uid = 1000;
    plan.process.gid = 1001;
    plan.process.additional_gids = {7, 9};
    plan.process.cwd = "/tmp";
    plan.process.oom_score_adj = 321;
    const std::uint64_t bind_service = 1U << 10;
    plan.process.capabilities = {bind_service, bind_service, bind_service, bind_service,
                                 bind_service};
    const json r = world.report(plan);
    CHECK(r["uid"] == 1000);
    CHECK(r["gid"] == 1001);
    CHECK(r["groups"] == json::array({7, 9}));
    CHECK(r["cwd"] == "/tmp");
    CHECK(r["oom_score_adj"] == 321);
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"})
        CHECK(r["status"][set] == "0000000000000400");
    CHECK(r["securebits"] == 0xef);
}

TEST_CASE("root of a mode keeps the capabilities of its plan over exec, and no others") {
    World world;
    policy::LaunchPlan plan = base_plan();
    const std::uint64_t chown = 1;
    plan.process.capabilities = {chown, chown, chown, 0, 0};
    const json r = world.report(plan);
    CHECK(r["status"]["CapEff"] == "0000000000000001");
    CHECK(r["status"]["CapBnd"] == "0000000000000001");
    CHECK(r["status"]["CapAmb"] == "0000000000000000");
    CHECK(r["attempts"]["sethostname"] == EPERM);
}

namespace {

json exhausted_by(World& world, std::uint32_t first_id) {
    policy::LaunchPlan plan = base_plan();
    plan.uid_map = plan.gid_map = {{0, first_id, 65536}};
    plan.process.args = {"probe", "exhaust"};
    world.use_id_maps(plan);
    const Running mode = world.start(plan);
    if (!mode.reply.ok())
        throw std::runtime_error(launch::describe(mode.reply.reply, plan).message());
    return json::parse(read_line(mode.output.borrow()));
}

}  // namespace

TEST_CASE("what the kernel counts per user, no mode can take from another") {
    World world;
    const json first = exhausted_by(world, 300000);
    // The first still runs, with all that there was for it.
    const json second = exhausted_by(world, 400000);
    CHECK(first["inotify"][0] > 8);
    CHECK(first["inotify"][1] == EMFILE);
    CHECK(first["queues"][0] > 2);
    CHECK(first["queues"][1] == EMFILE);
    CHECK(second == first);
}

TEST_CASE("every start has a session keyring of its own") {
    World world;
    const json first = world.report(base_plan());
    const json second = world.report(base_plan());
    CHECK(first["keyring"].get<long>() > 0);
    CHECK(first["keyring"] != second["keyring"]);
}
