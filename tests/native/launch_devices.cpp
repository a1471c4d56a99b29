// native tests: device nodes that come into the /dev of a running mode and go from it.
#include <signal.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "runtime/launch/protocol.h"
#include "runtime/sys/process.h"
#include "world.h"

using namespace pmos;
using namespace pmos::test;

namespace {

class Devices {
  public:
    Devices() : mode_(world_.start(sleeping())) { REQUIRE(mode_.reply.ok()); }
    ~Devices() {
        sys::sys_pidfd_send_signal(mode_.reply.pidfd.get(), SIGTERM);
        wait_for(mode_.reply.pidfd.borrow());
    }
    Devices(const Devices&) = delete;
    Devices& operator=(const Devices&) = delete;

    // As the host sees it.
    std::string path(const std::string& node) const {
        return "/proc/" + std::to_string(mode_.reply.reply.pid) + "/root/dev/" + node;
    }
    launch::LaunchReply change(const std::string& node, std::uint32_t minor, bool take_away) {
        policy::LaunchPlan plan = sleeping();
        policy::DeviceNode made;
        made.path = node;
        made.type = policy::image::NodeType::character;
        made.major = 1;
        made.minor = minor;
        made.mode = 0660;
        made.gid = 44;
        plan.device_nodes = {made};
        launch::Request request;
        request.take_away = take_away ? 1 : 0;
        return world_.change_devices(plan, mode_, request);
    }
    struct stat look(const std::string& node) const {
        struct stat file {};
        REQUIRE(::lstat(path(node).c_str(), &file) == 0);
        return file;
    }

  private:
    static policy::LaunchPlan sleeping() {
        policy::LaunchPlan plan = base_plan();
        plan.process.args = {"probe", "sleep"};
        return plan;
    }
    World world_;
    Running mode_;
};

}  // namespace

TEST_CASE("a device comes into a running mode and goes again") {
    Devices devices;
    REQUIRE(devices.change("extra/first", 3, false).ok());
    const auto made = devices.look("extra/first");
    CHECK(S_ISCHR(made.st_mode));
    CHECK(made.st_rdev == makedev(1, 3));
    CHECK((made.st_mode & 07777) == 0660);
    // Of the mode's own ids, as the host sees them.
    CHECK(made.st_gid == base_plan().gid_map.front().outside + 44);

    // Come once more, under another number.
    REQUIRE(devices.change("extra/first", 5, false).ok());
    CHECK(devices.look("extra/first").st_rdev == makedev(1, 5));

    REQUIRE(devices.change("extra/first", 5, true).ok());
    CHECK_FALSE(std::filesystem::exists(devices.path("extra/first")));
    CHECK(devices.change("extra/first", 5, true).ok());
    CHECK(devices.look("null").st_rdev == makedev(1, 3));
}

TEST_CASE("what a mode puts in the way of a device leads nowhere") {
    Devices devices;
    SECTION("a link for the directory is not followed") {
        REQUIRE(::symlink("/tmp", devices.path("extra").c_str()) == 0);
        const auto reply = devices.change("extra/first", 3, false);
        CHECK(reply.reply.step == launch::Step::change_dev);
        CHECK(reply.reply.sys_errno == ELOOP);
    }
    SECTION("a link or a file of the node's name makes room") {
        REQUIRE(::symlink("/etc/passwd", devices.path("first").c_str()) == 0);
        REQUIRE(devices.change("first", 3, false).ok());
        CHECK(devices.look("first").st_rdev == makedev(1, 3));
    }
    SECTION("a directory of the node's name is an error, not lost") {
        REQUIRE(::mkdir(devices.path("first").c_str(), 0700) == 0);
        const auto reply = devices.change("first", 3, false);
        CHECK(reply.reply.sys_errno == EISDIR);
        CHECK(launch::describe(reply.reply, base_plan()).message().contains("devices of mode"));
    }
}

TEST_CASE("a request to change devices brings a plan and the mode's process, nothing else") {
    World world;
    launch::Request request;
    request.verb = launch::Verb::devices;
    const UniqueFd sealed = must(launch::seal_plan(policy::encode(base_plan())));
    launch::LaunchDescriptors fds;
    fds.plan = sealed.borrow();
    const auto reply = world.ask(request, fds);
    CHECK(reply.reply.step == launch::Step::read_request);
    CHECK(reply.reply.sys_errno == EBADMSG);
}
