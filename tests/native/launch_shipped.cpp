// native tests: the shipped profiles' own plans start here, but for device-mapper and AppArmor,
// which this kernel need not have; their filters let a program live and the checks hold.
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "policy/policy_set.h"
#include "world.h"

using namespace pmos;
using namespace pmos::test;
using nlohmann::json;

namespace {

std::string shipped(const std::string& file) {
    return read_text(std::string(PMOS_SOURCE_ROOT) + "/profiles/" + file);
}

policy::HostFacts facts(const std::string& dir) {
    policy::HostFacts f;
    const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, 1U);
    f.landlock_abi = abi > 0 ? static_cast<std::uint32_t>(abi) : 0;
    f.cgroup_v2 = f.time_namespace = true;
    f.cgroup_controllers = {"cpu", "io", "memory", "pids"};  // set by pmosd, not here
    f.filesystems = {"ext4", "erofs"};
    f.device_mapper_targets = {"crypt"};
    f.memory_bytes = 1ULL << 30;
    f.modem_dir = dir + "/modem";
    f.audio_dir = dir + "/audio";
    f.notify_dir = dir + "/notify";
    f.panel_dir = dir + "/panel";
    f.devices = {{"gpu", "render", "dri/renderD128", false, 226, 128},
                 {"modem", "port", "ttyS2", false, 4, 66}};
    return f;
}

policy::LaunchPlan compiled(const std::string& mode, const std::string& dir) {
    const policy::SourceFile file{mode + ".json", shipped(mode + ".json")};
    const policy::SourceFile site{"site.json", shipped("site.json")};
    const auto set = policy::read_policy({&file, 1}, &site, [](const std::string& path) {
        return Result<std::string>(shipped(path));
    });
    REQUIRE(set.modes.size() == 1);
    REQUIRE(set.modes[0].profile != nullptr);
    const policy::Compiled result = policy::compile(*set.modes[0].profile, facts(dir));
    std::string text;
    for (const auto& d : result.diagnostics) text += policy::to_text(d) + "\n";
    INFO(text);
    REQUIRE(result.plan.has_value());
    return *result.plan;
}

}  // namespace

TEST_CASE("the shipped profiles start and confine as they say") {
    const std::string mode = GENERATE("personal", "secure");
    // Where merged-/usr images have their programs, and where Landlock lets them run.
    World world([](const std::string& root) {
        std::filesystem::create_directory(root + "/usr/bin");
        std::filesystem::copy_file(paths().probe, root + "/usr/bin/probe");
    });
    const LoopVolume volume(world.dir() + "/volume.img");

    std::filesystem::create_directories(world.dir() + "/modem/secure");
    std::filesystem::create_directories(world.dir() + "/audio/" + mode);
    for (const char* broker : {"/notify/", "/panel/"})
        std::filesystem::create_directories(world.dir() + broker + mode);
    policy::LaunchPlan plan = compiled(mode, world.dir());
    world.use_id_maps(plan);
    for (policy::MountOp& op : plan.mounts)
        if (op.kind == policy::image::MountKind::volume) op.source = volume.device();
    // Limits above this machine's own are pmosd's matter on the phone.
    plan.process.rlimits.clear();
    plan.process.args = {"/usr/bin/probe"};
    const json r = world.report(plan);

    CHECK(r["status"]["Seccomp"] == "2");
    CHECK(r["status"]["NoNewPrivs"] == "1");
    CHECK(r["status"]["CapEff"] == "0000000000000000");
    CHECK(r["attempts"]["unshare user"] == EPERM);
    CHECK(r["attempts"]["sethostname"] == EPERM);
    CHECK(r["attempts"]["write /proc/sys/kernel/core_pattern"] != 0);
    CHECK(r["dev"].contains("/dev/dri/renderD128") == (mode == "personal"));
    CHECK_FALSE(r["dev"].contains("/dev/ttyS2"));
    CHECK(r["hostname"] == plan.hostname);
}
