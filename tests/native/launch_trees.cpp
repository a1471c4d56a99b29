// native tests: volumes, binds, Landlock, the shipped form of a filter.
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "world.h"

using namespace pmos;
using namespace pmos::test;
using nlohmann::json;
using policy::image::MountKind;

namespace {

policy::MountOp tree(MountKind kind, const std::string& source, const std::string& target) {
    policy::MountOp op;
    op.kind = kind;
    op.source = source;
    op.target = target;
    op.attributes = 2 | 4 | 8;  // nosuid, nodev, noexec
    op.idmapped = true;
    return op;
}

std::string mount_line(const json& report, const std::string& target) {
    for (const json& line : report["mounts"]) {
        const auto text = line.get<std::string>();
        if (text.find(" " + target + " ") != std::string::npos) return text;
    }
    return "";
}

}  // namespace

TEST_CASE("a volume is mounted from its device, in the mode's ids, and goes with the mode") {
    World world;
    const LoopVolume volume(world.dir() + "/volume.img");
    policy::LaunchPlan plan = base_plan();
    plan.mounts.insert(plan.mounts.begin() + 7, tree(MountKind::volume, volume.device(), "/data"));
    const json r = world.report(plan);
    const std::string line = mount_line(r, "/data");
    INFO(line);
    CHECK(line.find(" ext4 ") != std::string::npos);
    CHECK(line.find("idmapped") != std::string::npos);
    CHECK(line.find("noexec") != std::string::npos);
    CHECK(line.find(" /mode /data ") != std::string::npos);  // and not the file system's root
    // Free again: an exclusive open is refused while the file system is mounted.
    int fd = -1;
    for (int tries = 0; tries < 100 && fd < 0; ++tries) {
        fd = ::open(volume.device().c_str(), O_RDONLY | O_EXCL | O_CLOEXEC);
        if (fd < 0) ::usleep(10000);
    }
    CHECK(fd >= 0);
    if (fd >= 0) ::close(fd);
}

TEST_CASE("a volume without its mode's directory is not mounted whole instead") {
    World world;
    const LoopVolume volume(world.dir() + "/volume.img", false);
    policy::LaunchPlan plan = base_plan();
    plan.mounts.insert(plan.mounts.begin() + 7, tree(MountKind::volume, volume.device(), "/data"));
    const Running mode = world.start(plan);
    CHECK(mode.reply.reply.step == launch::Step::child_mounts);
    CHECK(mode.reply.reply.op == 7);
    const Error error = launch::describe(mode.reply.reply, plan);
    CHECK(error.what.find(volume.device()) != std::string::npos);
    CHECK(error.fix.find("has no directory 'mode'") != std::string::npos);
}

TEST_CASE("a volume that is not there fails at its step and names it") {
    World world;
    policy::LaunchPlan plan = base_plan();
    plan.mounts.insert(plan.mounts.begin() + 7,
                       tree(MountKind::volume, "/dev/mapper/pmos-none-data", "/data"));
    const Running mode = world.start(plan);
    CHECK(mode.reply.reply.step == launch::Step::open_volumes);
    CHECK(mode.reply.reply.op == 7);
    const Error error = launch::describe(mode.reply.reply, plan);
    CHECK(error.what.find("/dev/mapper/pmos-none-data") != std::string::npos);
}

TEST_CASE("a bind shows a host directory and takes no part in the host's propagation") {
    World world;
    const std::string source = world.dir() + "/shared";
    std::filesystem::create_directory(source);
    policy::LaunchPlan plan = base_plan();
    policy::MountOp op = tree(MountKind::bind, source, "/mnt");
    op.idmapped = false;  // tmpfs cannot be before 6.3
    op.attributes |= 1;
    plan.mounts.insert(plan.mounts.begin() + 7, op);
    const json r = world.report(plan);
    const std::string line = mount_line(r, "/mnt");
    INFO(line);
    CHECK(line.find(" ro,nosuid,nodev,noexec") != std::string::npos);
    CHECK(line.find("shared:") == std::string::npos);
}

TEST_CASE("Landlock holds what the plan says") {
    const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, 1U);
    if (abi < 1) {
        WARN("not tried: this kernel has no Landlock");
        return;
    }
    World world;
    policy::LaunchPlan plan = base_plan();
    const std::uint64_t read = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
    plan.landlock_handled = read | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE;
    SECTION("reading and running, writing to null alone") {
        plan.landlock = {{"/", read | LANDLOCK_ACCESS_FS_EXECUTE},
                         {"/dev/null", LANDLOCK_ACCESS_FS_WRITE_FILE},
                         {"/absent", LANDLOCK_ACCESS_FS_WRITE_FILE}};
        const json r = world.report(plan);
        CHECK(r["dev"]["/dev/null"]["open"] == 0);
        CHECK(r["dev"]["/dev/zero"]["open"] == EACCES);
    }
    SECTION("nothing to run") {
        plan.landlock = {{"/", read}};
        const Running mode = world.start(plan);
        CHECK(mode.reply.reply.step == launch::Step::init_exec);
        CHECK(mode.reply.reply.sys_errno == EACCES);
    }
}
