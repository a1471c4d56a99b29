// tests: an OCI bundle's config.json: what it says as values, every fault at its place.
#include "policy/oci_config.h"

#include <fmt/format.h>
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "policy/names.h"
#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

oci::Config read_good(const std::string& name) {
    const auto bytes = read_file(source_path("tests/unit/policy/data/oci/" + name));
    REQUIRE_FALSE(bytes.empty());
    std::vector<Diagnostic> faults;
    auto config = oci::read_config(name, bytes, faults);
    INFO(texts(faults));
    REQUIRE(config.has_value());
    CHECK(faults.empty());
    return std::move(*config);
}

Pairs files_of(const oci::Resources& resources) {
    Pairs out;
    for (const auto& limit : resources.limits) out.emplace_back(limit.file, limit.value);
    return out;
}

oci::Resources read_limits(const std::string& text) {
    std::vector<Diagnostic> faults;
    auto resources = oci::read_resources("limits.json", text, faults);
    INFO(text << "\n" << texts(faults));
    REQUIRE(resources.has_value());
    return std::move(*resources);
}

}  // namespace

TEST_CASE("a config as podman writes it: the process") {
    const auto config = read_good("podman.json");
    const auto& process = config.process.value();
    CHECK(config.version == "1.2.1");
    CHECK(process.args == std::vector<std::string>{"httpd", "-DFOREGROUND"});
    CHECK(process.env.size() == 5);
    CHECK(process.cwd == "/srv/www");
    CHECK(process.user.uid == 33);
    CHECK(process.user.umask == 022U);
    CHECK(process.user.additional_gids == std::vector<std::uint32_t>{33, 100});
    CHECK(process.capabilities.bounding ==
          ((1ULL << 0) | (1ULL << 6) | (1ULL << 7) | (1ULL << 10)));
    CHECK(process.capabilities.ambient == 1ULL << 10);
    REQUIRE(process.rlimits.size() == 2);
    CHECK(process.rlimits[0].resource == RLIMIT_NOFILE);
    CHECK(process.rlimits[0].soft == 524288);
    CHECK(process.rlimits[1].hard == RLIM_INFINITY);
    CHECK(process.oom_score_adj == 200);
    CHECK_FALSE(process.no_new_privileges);
    CHECK_FALSE(process.terminal);
    CHECK(process.at.pointer == "/process");
}

TEST_CASE("a config as podman writes it: mounts and hooks") {
    const auto config = read_good("podman.json");
    CHECK_FALSE(config.root_read_only);
    CHECK(config.hostname == "3f0c1a9be2d7");
    REQUIRE(config.mounts.size() == 5);
    CHECK(config.mounts[1].destination == "/dev");
    CHECK(config.mounts[4].destination == "/srv/www");
    CHECK(config.mounts[4].options == std::vector<std::string>{"rbind", "ro", "idmap"});
    CHECK(config.mounts[4].uid_mappings.size() == 2);
    CHECK(config.mounts[4].at.pointer == "/mounts/4");
    REQUIRE(config.hooks.size() == 2);
    CHECK(config.hooks[0].point == oci::HookPoint::prestart);
    CHECK(config.hooks[0].timeout_s == 10);
    CHECK(config.hooks[0].env == std::vector<std::string>{"TRACE=1"});
    CHECK(config.hooks[1].point == oci::HookPoint::poststop);
    CHECK(config.hooks[1].timeout_s == 0);
    CHECK(config.annotation("org.opencontainers.image.stopSignal") == "28");
    CHECK(config.annotation("other").empty());
    CHECK(config.source.at_path("linux/cgroupsPath") != nullptr);
}

TEST_CASE("a config as podman writes it: linux") {
    const auto config = read_good("podman.json");
    CHECK(config.has(CLONE_NEWUSER));
    CHECK_FALSE(config.has(CLONE_NEWTIME));
    CHECK(config.namespaces[1].path == "/run/user/1000/netns/netns-1f");
    REQUIRE(config.uid_map.size() == 2);
    CHECK(config.uid_map[1].outside == 100000);
    CHECK(config.sysctl ==
          Pairs{{"net.ipv4.ping_group_range", "0 0"}, {"net.ipv4.conf.eth0/7.rp_filter", "1"}});
    CHECK(config.cgroups_path == "user.slice:libpod:3f0c1a9be2d7");
    CHECK(config.root_propagation == oci::Propagation::slave);
    CHECK(config.root_propagation_recursive);
    CHECK(config.masked_paths.size() == 3);
    CHECK(config.read_only_paths == std::vector<std::string>{"/proc/sys", "/proc/irq"});
    REQUIRE(config.devices.size() == 2);
    CHECK(config.devices[0].type == image::NodeType::character);
    CHECK(config.devices[0].minor == 229);
    CHECK(config.devices[0].file_mode == 0666);
    CHECK(config.devices[1].type == image::NodeType::fifo);
    CHECK(config.devices[1].uid == 33);
}

TEST_CASE("a config as podman writes it: limits and the filter") {
    const auto config = read_good("podman.json");
    CHECK(files_of(config.resources) == Pairs{{"memory.swap.max", "536870912"},
                                              {"memory.max", "536870912"},
                                              {"pids.max", "2048"},
                                              {"cpu.max", "50000 100000"}});
    CHECK(config.resources.limits[3].controller == "cpu");
    CHECK(config.resources.limits[3].pointer == "/linux/resources/cpu/quota");
    REQUIRE(config.resources.devices.size() == 2);
    const auto& rule = config.resources.devices[1];
    CHECK((rule.allow && rule.type == 'c' && rule.major == 10U && rule.minor == 229U));
    CHECK((rule.read && rule.write && !rule.make));
    CHECK(config.resources.devices[0].type == 'a');
    const auto& filter = config.seccomp.value();
    CHECK(filter.default_action == oci::SeccompAction::error);
    CHECK(filter.default_errno_ret == 38U);
    CHECK(filter.architectures.size() == 3);
    REQUIRE(filter.rules.size() == 4);
    CHECK(filter.rules[0].errno_ret == 1U);
    CHECK(filter.rules[2].args[0].value == UINT64_MAX);
    CHECK(filter.rules[2].args[0].op == "EQ");
    CHECK(filter.rules[3].args[0].op == "MASKED_EQ");
    CHECK_FALSE(filter.notifies());
}

TEST_CASE("a config as containerd writes it: what is unset, unknown or empty asks for nothing") {
    const auto config = read_good("containerd.json");
    CHECK(config.root_read_only);
    CHECK_FALSE(config.seccomp.has_value());
    CHECK(config.uid_map.size() == 1);
    const auto& process = config.process.value();
    CHECK(process.no_new_privileges);
    CHECK(process.oom_score_adj == -998);
    CHECK(process.scheduler.value().policy == SCHED_BATCH);
    CHECK(process.scheduler.value().nice == 5);
    CHECK(process.io_priority == (IOPRIO_CLASS_IDLE << IOPRIO_CLASS_SHIFT | 4U));
    CHECK(process.apparmor_profile == "cri-containerd.apparmor.d");
    CHECK(files_of(config.resources) == Pairs{{"cpu.weight", "1"},
                                              {"cpuset.cpus", "0-3,7"},
                                              {"hugetlb.2MB.max", "0"},
                                              {"hugetlb.2MB.rsvd.max", "0"},
                                              {"memory.oom.group", "1"}});
    CHECK_FALSE(config.resources.devices[1].minor.has_value());
}

TEST_CASE("limits are files of cgroup v2") {
    const auto files = [](const std::string& text) { return files_of(read_limits(text)); };
    CHECK(files("{}").empty());
    CHECK(files(R"({"memory": {"limit": 0, "swap": 0, "reservation": 0, "kernel": -1,
                               "kernelTCP": 0, "useHierarchy": true, "disableOOMKiller": false},
                    "cpu": {"shares": 0, "quota": 0, "realtimePeriod": 0}, "unified": {}})")
              .empty());
    CHECK(files(R"({"memory": {"limit": -1}})") ==
          Pairs{{"memory.swap.max", "max"}, {"memory.max", "max"}});
    CHECK(files(R"({"memory": {"limit": -1, "swap": 4096, "reservation": -1}})") ==
          Pairs{{"memory.swap.max", "4096"}, {"memory.max", "max"}, {"memory.low", "max"}});
    CHECK(files(R"({"memory": {"limit": 4096, "swap": 4096, "reservation": 1024}})") ==
          Pairs{{"memory.swap.max", "0"}, {"memory.max", "4096"}, {"memory.low", "1024"}});
    CHECK(files(R"({"memory": {"swap": -1}})") == Pairs{{"memory.swap.max", "max"}});
    CHECK(files(R"({"pids": {"limit": -1}})") == Pairs{{"pids.max", "max"}});
    CHECK(files(R"({"pids": {"limit": 0}})").empty());
    CHECK(files(R"({"rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10},
                             "rxe3": {"hcaObjects": 1}}})") ==
          Pairs{{"rdma.max", "mlx5_1 hca_handle=3 hca_object=10"},
                {"rdma.max", "rxe3 hca_object=1"}});
    CHECK(files(R"({"unified": {"io.max": "8:0 rbps=1\n\n8:16 rbps=2\n", "misc.max": "a 1"}})") ==
          Pairs{{"io.max", "8:0 rbps=1"}, {"io.max", "8:16 rbps=2"}, {"misc.max", "a 1"}});
}

TEST_CASE("limits of the processor") {
    const auto files = [](const std::string& text) {
        return files_of(read_limits("{\"cpu\": {" + text + "}}"));
    };
    CHECK(files(R"("shares": 1)") == Pairs{{"cpu.weight", "1"}});
    CHECK(files(R"("shares": 1024)") == Pairs{{"cpu.weight", "39"}});
    CHECK(files(R"("shares": 18446744073709551615)") == Pairs{{"cpu.weight", "10000"}});
    CHECK(files(R"("quota": -1)") == Pairs{{"cpu.max", "max 100000"}});
    CHECK(files(R"("period": 50000)") == Pairs{{"cpu.max", "max 50000"}});
    CHECK(files(R"("burst": 2000, "quota": 2000)") ==
          Pairs{{"cpu.max", "2000 100000"}, {"cpu.max.burst", "2000"}});
    // The kernel takes no weight of a group that is idle.
    CHECK(files(R"("idle": 0, "shares": 2)") == Pairs{{"cpu.idle", "0"}, {"cpu.weight", "1"}});
    CHECK(files(R"("idle": 1, "shares": 2)") == Pairs{{"cpu.weight", "1"}, {"cpu.idle", "1"}});
    CHECK(files(R"("cpus": "0", "mems": "0-1")") ==
          Pairs{{"cpuset.cpus", "0"}, {"cpuset.mems", "0-1"}});
}

TEST_CASE("limits of block devices") {
    const auto limits = read_limits(R"({"blockIO": {"weight": 500,
        "weightDevice": [{"major": 8, "minor": 0, "weight": 10}],
        "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 600}],
        "throttleWriteBpsDevice": [{"major": 8, "minor": 0, "rate": 0}],
        "throttleReadIOPSDevice": [{"major": 8, "minor": 16, "rate": 1}],
        "throttleWriteIOPSDevice": [{"major": 8, "minor": 16, "rate": 2}]}})");
    CHECK(files_of(limits) == Pairs{{"io.bfq.weight", "500"},
                                    {"io.bfq.weight", "8:0 10"},
                                    {"io.max", "8:0 rbps=600"},
                                    {"io.max", "8:0 wbps=max"},
                                    {"io.max", "8:16 riops=1"},
                                    {"io.max", "8:16 wiops=2"}});
    const auto instead = oci::instead_of(limits.limits[0]).value();
    CHECK(instead.file == "io.weight");
    CHECK(instead.value == "4950");
    CHECK(instead.controller == "io");
    CHECK_FALSE(oci::instead_of(limits.limits[1]).has_value());
    CHECK_FALSE(oci::instead_of(limits.limits[2]).has_value());
    const auto value_instead = [](std::string value) {
        return oci::instead_of({"io.bfq.weight", std::move(value), "io", false, ""})->value;
    };
    CHECK(value_instead("1") == "1");
    CHECK(value_instead("10") == "1");
    CHECK(value_instead("1000") == "10000");
}

TEST_CASE("the process of exec has a file of its own") {
    std::vector<Diagnostic> faults;
    const auto process = oci::read_process("p.json", R"({"cwd": "/", "args": ["sh"],
        "terminal": true, "consoleSize": {"height": 25, "width": 80},
        "execCPUAffinity": {"initial": "7", "final": "0-3,7"},
        "scheduler": {"policy": "SCHED_DEADLINE", "runtime": 1, "deadline": 2, "period": 3,
                      "flags": ["SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN"]}})",
                                           faults);
    INFO(texts(faults));
    REQUIRE(process.has_value());
    CHECK(process->console_size.height == 25);
    CHECK(process->console_size.width == 80);
    CHECK(process->initial_affinity == "7");
    CHECK(process->final_affinity == "0-3,7");
    CHECK(process->user.uid == 0);
    CHECK_FALSE(process->user.umask.has_value());
    CHECK(process->scheduler.value().flags == 6);
    CHECK(process->capabilities.bounding == 0);
}

TEST_CASE("versions of the specification, by major and minor") {
    const auto faults_of = [](std::string_view version) {
        std::vector<Diagnostic> faults;
        const auto text =
            fmt::format(R"({{"ociVersion": "{}", "root": {{"path": "r"}}}})", version);
        const auto config = oci::read_config("config.json", text, faults);
        CHECK(config.has_value() == faults.empty());
        return texts(faults);
    };
    for (const char* good : {"1.0.0", "1.0.2-dev", "1.0.0-rc5", "1.1.0+dev", "1.2.1", "1.3.0",
                             "1.1.0-rc.1+build.7", "1.0.17"})
        CHECK(faults_of(good) == "");
    for (const char* unknown : {"0.6.0", "1.4.0", "2.0.0", "1.10.0"})
        CHECK_THAT(faults_of(unknown), Catch::Contains("is not known here"));
    for (const char* bad : {"", "1", "1.2", "1.2.", "01.0.0", "1.0.0.0", "1.0.0-", "1.0.0-a..b",
                            "1.0.0+", "v1.0.0", "1.0.0 ", "1.0.99999999999", "-1.0.0"})
        CHECK_THAT(faults_of(bad), Catch::Contains("is not a version"));
}

TEST_CASE("the example is good, and as hard as it runs") {
    std::vector<Diagnostic> faults;
    const auto text = oci::example_config(std::nullopt);
    const auto config = oci::read_config("config.json", text, faults);
    INFO(texts(faults));
    REQUIRE(config.has_value());
    CHECK(faults.empty());
    CHECK(config->version == oci::kVersion);
    CHECK(config->root_read_only);
    const auto& process = config->process.value();
    CHECK(process.no_new_privileges);
    CHECK((process.capabilities.bounding | process.capabilities.permitted) == 0);
    CHECK(config->resources.limits.empty());
    REQUIRE(config->resources.devices.size() == 1);
    CHECK_FALSE(config->resources.devices[0].allow);
    CHECK_FALSE(config->has(CLONE_NEWUSER));
    CHECK(config->namespaces.size() == 6);
    check_golden("tests/golden/oci/config.json", text);
}

TEST_CASE("the example for an ordinary user maps that user alone") {
    std::vector<Diagnostic> faults;
    const auto text = oci::example_config(oci::RootlessIds{.uid = 1000, .gid = 100});
    const auto config = oci::read_config("config.json", text, faults);
    INFO(texts(faults));
    REQUIRE(config.has_value());
    CHECK(config->has(CLONE_NEWUSER));
    REQUIRE(config->uid_map.size() == 1);
    CHECK(config->uid_map[0].outside == 1000);
    CHECK(config->gid_map[0].outside == 100);
    CHECK(config->gid_map[0].count == 1);
    CHECK(config->resources.devices.empty());
    for (const auto& mount : config->mounts) CHECK_FALSE(has_word(mount.options, "gid=5"));
    check_golden("tests/golden/oci/rootless.json", text);
}
