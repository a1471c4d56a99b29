// native tests: one more process in a running mode, and what PID 1 does meanwhile.
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "runtime/launch/protocol.h"
#include "runtime/sys/process.h"
#include "world.h"

using namespace pmos;
using namespace pmos::test;
using nlohmann::json;

namespace {

policy::LaunchPlan plan_of(std::vector<std::string> args) {
    policy::LaunchPlan plan = base_plan();
    plan.process.args = std::move(args);
    return plan;
}

launch::ExitRecord exit_record(const Running& mode) {
    launch::ExitRecord record{};
    const std::string bytes = read_all(mode.status.borrow());
    REQUIRE(bytes.size() == sizeof record);
    std::memcpy(&record, bytes.data(), sizeof record);
    CHECK(record.magic == launch::kExitMagic);
    return record;
}

}  // namespace

TEST_CASE("PID 1 records how the program ended and ends alike") {
    World world;
    const Running mode = world.start(plan_of({"probe", "exit", "42"}));
    REQUIRE(mode.reply.ok());
    CHECK(wait_for(mode.reply.pidfd.borrow()) == 42);
    const launch::ExitRecord record = exit_record(mode);
    CHECK(WIFEXITED(record.wait_status));
    CHECK(WEXITSTATUS(record.wait_status) == 42);
}

TEST_CASE("PID 1 forwards a signal to the program") {
    World world;
    const Running mode = world.start(plan_of({"probe", "sleep"}));
    REQUIRE(mode.reply.ok());
    stop(mode);
    const launch::ExitRecord record = exit_record(mode);
    CHECK(WIFSIGNALED(record.wait_status));
    CHECK(WTERMSIG(record.wait_status) == SIGTERM);
}

TEST_CASE("PID 1 reaps orphans") {
    World world;
    const Running mode = world.start(plan_of({"probe", "spawn"}));
    REQUIRE(mode.reply.ok());
    CHECK(wait_for(mode.reply.pidfd.borrow()) == 0);
}

TEST_CASE("a process that enters has the mode's namespaces and the same confinement") {
    World world;
    const Running mode = world.start(plan_of({"probe", "sleep"}));
    REQUIRE(mode.reply.ok());
    const Running entered = world.enter(plan_of({"probe", "report"}), mode);
    INFO(launch::describe(entered.reply.reply, base_plan()).message());
    REQUIRE(entered.reply.ok());
    const json r = json::parse(read_all(entered.output.borrow()));
    CHECK(wait_for(entered.reply.pidfd.borrow()) == 0);

    const std::string ns = "/proc/" + std::to_string(mode.reply.reply.pid) + "/ns/";
    for (const auto& [name, link] : r["namespaces"].items()) {
        INFO(name);
        CHECK(link == std::filesystem::read_symlink(ns + name).string());
    }
    CHECK(r["cgroup"].back() == "0::/");
    CHECK(r["hostname"] == "probe-host");
    CHECK(r["pid"] != 1);
    CHECK(r["sid"] == r["pid"]);
    CHECK(r["uid"] == 0);
    CHECK(r["fds"].size() == 3);
    const json& s = r["status"];
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"})
        CHECK(s[set] == "0000000000000000");
    CHECK(s["NoNewPrivs"] == "1");
    CHECK(s["Seccomp"] == "2");
    CHECK(r["limits"][7] == json::array({512, 1024}));
    CHECK(r["attempts"]["read /proc/1/exe"] == EACCES);
    stop(mode);
}

TEST_CASE("a process that enters with a terminal gets one of the mode's own, and its exit code") {
    World world;
    const Running mode = world.start(plan_of({"probe", "sleep"}));
    REQUIRE(mode.reply.ok());
    launch::Request request;
    request.allocate_tty = 1;
    request.rows = 33;
    request.columns = 111;

    const Running entered = world.enter(plan_of({"probe", "report"}), mode, request);
    INFO(launch::describe(entered.reply.reply, base_plan()).message());
    REQUIRE(entered.reply.ok());
    REQUIRE(entered.reply.tty);
    const json r = json::parse(read_all(entered.reply.tty.borrow()));
    CHECK(r["tty"]["isatty"] == true);
    CHECK(r["tty"]["controlling"] == true);
    CHECK(r["tty"]["size"] == json::array({33, 111}));
    CHECK(r["tty"]["name"] == "/dev/pts/0");
    CHECK(wait_for(entered.reply.pidfd.borrow()) == 0);

    const Running failing = world.enter(plan_of({"probe", "exit", "7"}), mode, request);
    REQUIRE(failing.reply.ok());
    CHECK(wait_for(failing.reply.pidfd.borrow()) == 7);
    stop(mode);
}

TEST_CASE("entering a mode that is gone fails and names the step") {
    World world;
    const Running mode = world.start(plan_of({"probe", "exit", "0"}));
    REQUIRE(mode.reply.ok());
    wait_for(mode.reply.pidfd.borrow());
    const Running entered = world.enter(plan_of({"probe", "report"}), mode);
    CHECK(entered.reply.reply.step == launch::Step::clone);
    CHECK(entered.reply.reply.sys_errno == ESRCH);
}

TEST_CASE("entering with a program that is not there fails and names it") {
    World world;
    const Running mode = world.start(plan_of({"probe", "sleep"}));
    REQUIRE(mode.reply.ok());
    const policy::LaunchPlan plan = plan_of({"no-such-program"});
    const Running entered = world.enter(plan, mode);
    CHECK(entered.reply.reply.step == launch::Step::init_exec);
    CHECK(entered.reply.reply.sys_errno == ENOENT);
    CHECK(launch::describe(entered.reply.reply, plan).fix.find("no-such-program") !=
          std::string::npos);
    stop(mode);
}
