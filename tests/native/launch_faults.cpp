// native tests: every step of the array failed once (builds with -Dfaults=true only); the machine
// must look the same before and after.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "runtime/sys/process.h"
#include "world.h"

using namespace pmos;
using namespace pmos::test;
using launch::Step;

namespace {

// What a launch could leave behind, as text that a failed comparison shows.
std::string look(const World& world, int launcher_pid) {
    const auto fds = world.launcher_fds();  // once it is at rest
    std::string text = read_text("/proc/self/mountinfo");
    text += "processes " + read_text(world.cgroup_file("cgroup.procs")) + "\nloop devices";
    // Of this world: who else uses the machine has loops of their own.
    for (const auto& block : std::filesystem::directory_iterator("/sys/block")) {
        const auto backing = block.path() / "loop/backing_file";
        if (std::filesystem::exists(backing) &&
            read_text(backing.string()).starts_with(world.dir()))
            text += " " + block.path().filename().string();
    }
    text += "\ndescriptors";
    for (const std::string& fd : fds) text += " " + fd;
    const std::string ns = "/proc/" + std::to_string(launcher_pid) + "/ns/";
    for (const char* name : {"mnt", "net", "pid_for_children", "time_for_children", "user"})
        text += " " + std::filesystem::read_symlink(ns + name).string();
    return text;
}

// The last process of a launch that failed leaves its cgroup a moment later.
std::string look_once_quiet(const World& world, int launcher_pid, const std::string& wanted) {
    std::string seen = look(world, launcher_pid);
    for (int tries = 0; tries < 100 && seen != wanted; ++tries) {
        ::usleep(10000);
        seen = look(world, launcher_pid);
    }
    return seen;
}

bool only_enter(Step step) { return step == Step::enter_namespaces || step == Step::enter_tty; }
bool only_devices(Step step) { return step == Step::visit_mode || step == Step::change_dev; }

// Steps that a process entering does not take.
bool only_start(Step step) {
    switch (step) {
        case Step::build_dev:
        case Step::open_volumes:
        case Step::open_binds:
        case Step::join_net_ns:
        case Step::enter_time_ns:
        case Step::write_id_maps:
        case Step::child_hostname:
        case Step::child_private_mounts:
        case Step::child_root:
        case Step::child_mounts:
        case Step::child_devices:
        case Step::child_masks:
        case Step::child_pivot:
        case Step::child_exec_init:
        case Step::init_fork:
            return true;
        default:
            return false;
    }
}

void expect_failed_at(const Running& running, Step step) {
    CHECK(running.reply.reply.sys_errno == EIO);
    CHECK(std::string(launch::step_name(running.reply.reply.step)) == launch::step_name(step));
    CHECK(launch::describe(running.reply.reply, base_plan()).step == launch::step_name(step));
}

}  // namespace

TEST_CASE("a start that fails at any step leaves the machine as it was") {
    World world;
    (void)world.report(base_plan());  // the launcher has found its feet
    const int launcher_pid = world.launcher().pid;
    const std::string before = look(world, launcher_pid);
    REQUIRE(before.contains("loop devices loop"));  // its own root's, so that one more would show
    int failed = 0;
    for (auto i = static_cast<std::uint32_t>(Step::none) + 1;
         i < static_cast<std::uint32_t>(Step::of_modes_); ++i) {
        const Step step{i};
        if (only_enter(step) || only_devices(step)) continue;
        INFO(launch::step_name(step));
        launch::Request request;
        request.fail_step = i;
        expect_failed_at(world.start(base_plan(), request), step);
        CHECK(look_once_quiet(world, launcher_pid, before) == before);
        ++failed;
    }
    CHECK(failed == 32);
    CHECK(world.report(base_plan())["hostname"] == "probe-host");
}

TEST_CASE("an entry that fails at any step leaves the mode and the machine as they were") {
    World world;
    policy::LaunchPlan plan = base_plan();
    plan.process.args = {"probe", "sleep"};
    const Running mode = world.start(plan);
    REQUIRE(mode.reply.ok());
    const int launcher_pid = world.launcher().pid;
    const std::string before = look(world, launcher_pid);
    int failed = 0;
    for (auto i = static_cast<std::uint32_t>(Step::none) + 1;
         i < static_cast<std::uint32_t>(Step::of_modes_); ++i) {
        const Step step{i};
        if (only_start(step) || only_devices(step)) continue;
        INFO(launch::step_name(step));
        launch::Request request;
        request.fail_step = i;
        request.allocate_tty = 1;
        expect_failed_at(world.enter(base_plan(), mode, request), step);
        CHECK(look_once_quiet(world, launcher_pid, before) == before);
        ++failed;
    }
    CHECK(failed == 19);
    stop(mode);
}

TEST_CASE("a change of devices that fails at any step leaves the launcher where it was") {
    World world;
    policy::LaunchPlan plan = base_plan();
    plan.process.args = {"probe", "sleep"};
    const Running mode = world.start(plan);
    REQUIRE(mode.reply.ok());
    const int launcher_pid = world.launcher().pid;
    const std::string before = look(world, launcher_pid);
    for (const Step step :
         {Step::read_request, Step::map_plan, Step::visit_mode, Step::change_dev, Step::reply}) {
        INFO(launch::step_name(step));
        launch::Request request;
        request.fail_step = static_cast<std::uint32_t>(step);
        const auto reply = world.change_devices(base_plan(), mode, request);
        CHECK(reply.reply.sys_errno == EIO);
        CHECK(reply.reply.step == step);
        CHECK(look_once_quiet(world, launcher_pid, before) == before);
    }
    stop(mode);
}
