// native tests: what the launcher refuses, and that a refusal leaves nothing behind.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "runtime/launch/plan_view.h"
#include "world.h"

using namespace pmos;
using namespace pmos::test;
using launch::Step;

namespace {

namespace fs = std::filesystem;

void expect_working(World& world) {
    policy::LaunchPlan plan = base_plan();
    plan.process.args = {"probe", "exit", "3"};
    const Running mode = world.start(plan);
    REQUIRE(mode.reply.ok());
    CHECK(wait_for(mode.reply.pidfd.borrow()) == 3);
}

void expect_refusal(const Running& mode, Step step, int error) {
    CHECK(launch::step_name(mode.reply.reply.step) == std::string(launch::step_name(step)));
    CHECK(mode.reply.reply.sys_errno == error);
}

}  // namespace

TEST_CASE("an image whose /proc or /dev is a symbolic link is refused") {
    const std::string name = GENERATE("proc", "dev");
    World world([&](const std::string& root) {
        fs::remove(root + "/" + name);
        fs::create_directory_symlink("/tmp", root + "/" + name);
    });
    const policy::LaunchPlan plan = base_plan();
    const Running mode = world.start(plan);
    expect_refusal(mode, Step::child_mounts, ELOOP);
    const Error error = launch::describe(mode.reply.reply, plan);
    CHECK(error.what.find("'/" + name) != std::string::npos);
    CHECK(error.fix.find("symbolic link") != std::string::npos);
}

TEST_CASE("nothing is mounted over /proc, and no node leaves the mode's /dev") {
    World world;
    policy::LaunchPlan plan = base_plan();
    SECTION("a mount on a directory of procfs") {
        policy::MountOp op;
        op.kind = policy::image::MountKind::filesystem;
        op.source = "tmpfs";
        op.target = "/proc/tty";
        plan.mounts.insert(plan.mounts.begin() + 7, op);
        const Running mode = world.start(plan);
        expect_refusal(mode, Step::child_mounts, EBUSY);
        CHECK(mode.reply.reply.op == 7);
    }
    SECTION("a node below a link of the same plan") {
        policy::DeviceNode node;
        node.path = "fd/escaped";
        node.mode = 0666;
        node.major = 1;
        node.minor = 3;
        plan.device_nodes.push_back(node);
        const Running mode = world.start(plan);
        expect_refusal(mode, Step::build_dev, ELOOP);
        CHECK(mode.reply.reply.op == 8);
    }
    expect_working(world);
}

TEST_CASE("a program that cannot run fails the start and names it") {
    World world;
    policy::LaunchPlan plan = base_plan();
    plan.process.args = {"/bin/absent"};
    const Running mode = world.start(plan);
    expect_refusal(mode, Step::init_exec, ENOENT);
    CHECK(mode.reply.pidfd);
    CHECK(launch::describe(mode.reply.reply, plan).fix.find("/bin/absent") != std::string::npos);
    CHECK(read_text(world.cgroup_file("cgroup.procs")).empty());
    expect_working(world);
}

TEST_CASE("a filter that kills the child is a failure, not a success") {
    World world;
    policy::LaunchPlan plan = base_plan();
    const sock_filter kill = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    plan.seccomp.resize(sizeof kill);
    std::memcpy(plan.seccomp.data(), &kill, sizeof kill);
    const Running mode = world.start(plan);
    expect_refusal(mode, Step::child_exec_init, ECHILD);
    expect_working(world);
}

TEST_CASE("a limit that may not be raised is named") {
    World world;
    policy::LaunchPlan plan = base_plan();
    plan.process.rlimits = {{RLIMIT_NOFILE, 1, RLIM_INFINITY}};
    const Running mode = world.start(plan);
    // No file limit is above fs.nr_open, whatever the privilege.
    CHECK(mode.reply.reply.sys_errno == EPERM);
    CHECK(launch::describe(mode.reply.reply, plan).what.find("'nofile'") != std::string::npos);
    expect_working(world);
}

TEST_CASE("a mode in a frozen cgroup does not hold the launcher up") {
    World world;
    write_text(world.cgroup_file("cgroup.freeze"), "1");
    launch::Request request;
    request.timeout_ms = 200;
    const Running mode = world.start(base_plan(), request);
    expect_refusal(mode, Step::child_exec_init, ETIMEDOUT);
    CHECK(read_text(world.cgroup_file("cgroup.procs")).empty());
    write_text(world.cgroup_file("cgroup.freeze"), "0");
    expect_working(world);
}

TEST_CASE("plans that are not sealed or not sound are refused before anything happens") {
    World world;
    const UniqueFd tree = must(world.image().clone_tree());
    const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    std::vector<std::byte> bytes = policy::encode(base_plan());
    launch::LaunchDescriptors fds;
    fds.cgroup = world.cgroup();
    fds.root_tree = tree.borrow();
    fds.status = null.borrow();
    fds.net_ns = world.net_ns();
    SECTION("not sealed") {
        const UniqueFd plain(::memfd_create("plan", MFD_CLOEXEC | MFD_ALLOW_SEALING));
        REQUIRE(::write(plain.get(), bytes.data(), bytes.size()) > 0);
        fds.plan = plain.borrow();
        const auto reply = world.ask({}, fds);
        CHECK(reply.reply.step == Step::map_plan);
        CHECK(reply.reply.sys_errno == EPERM);
    }
    SECTION("broken") {
        bytes[0] = std::byte{'X'};
        const UniqueFd sealed = must(launch::seal_plan(bytes));
        fds.plan = sealed.borrow();
        const auto reply = world.ask({}, fds);
        CHECK(reply.reply.step == Step::map_plan);
        CHECK(reply.reply.sys_errno == EBADMSG);
        CHECK(reply.reply.op == static_cast<int>(launch::PlanFault::magic));
    }
    SECTION("missing") {
        const auto reply = world.ask({}, fds);
        CHECK(reply.reply.step == Step::read_request);
        CHECK(reply.reply.sys_errno == EBADMSG);
    }
    expect_working(world);
}

TEST_CASE("requests of the wrong size, magic or descriptor count are refused") {
    World world;
    const BorrowedFd socket = world.launcher().socket.borrow();
    const auto refused = [&](const void* data, std::size_t size) {
        REQUIRE(::send(socket.get(), data, size, MSG_NOSIGNAL) == static_cast<ssize_t>(size));
        const auto reply = must(launch::receive_reply(socket));
        CHECK(reply.reply.step == Step::read_request);
        CHECK(reply.reply.sys_errno == EBADMSG);
    };
    launch::Request request;
    refused(&request, sizeof request - 1);
    const std::vector<char> large(65536);
    refused(large.data(), large.size());
    request.magic = 0;
    refused(&request, sizeof request);
    request.magic = launch::kRequestMagic;
    request.descriptors = ~0U;
    refused(&request, sizeof request);
    request.descriptors = launch::slot_plan | launch::slot_cgroup | launch::slot_pidfd;
    request.verb = launch::Verb::enter;
    refused(&request, sizeof request);
    expect_working(world);
}

TEST_CASE("a hundred starts leave the launcher as it was") {
    World world;
    expect_working(world);
    const auto before = world.launcher_fds();
    const std::string mounts = read_text("/proc/self/mountinfo");
    for (int i = 0; i < 100; ++i) expect_working(world);
    CHECK(world.launcher_fds() == before);
    CHECK(read_text("/proc/self/mountinfo") == mounts);
    CHECK(read_text(world.cgroup_file("cgroup.procs")).empty());
}

TEST_CASE("the launcher cannot be looked into and ends with its socket") {
    World world;
    const std::string proc = "/proc/" + std::to_string(world.launcher().pid);
    expect_working(world);
    struct stat owner {};
    REQUIRE(::stat((proc + "/environ").c_str(), &owner) == 0);
    const std::string status = read_text(proc + "/status");
    CHECK(status.find("Threads:\t1\n") != std::string::npos);
    CHECK(status.find("SigBlk:\t0000000000000000\n") != std::string::npos);
    world.launcher().socket.reset();
    CHECK(wait_for(world.launcher().pidfd.borrow()) == 0);
    world.launcher() = must(launch::start_launcher(paths().launcher.c_str(), paths().init.c_str()));
    expect_working(world);
}
