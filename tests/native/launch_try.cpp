// native tests: pmos-try, which enters a mode as a program of ours and not of its image.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <sstream>

#include "policy/syscall_filter.h"
#include "runtime/launch/protocol.h"
#include "world.h"

using namespace pmos;
using namespace pmos::test;

namespace {

constexpr std::uint64_t kMaxSpace = 256 << 10;

// What pmos-try itself needs, some calls to look at, and three rules.
policy::LaunchPlan filtered_plan() {
    const policy::Arch& arch = *policy::find_arch("x86_64");
    const std::vector<std::string> allow{std::string("@default"),
                                         "@file-system",
                                         "execveat",
                                         "clone",
                                         "wait4",
                                         "kill",
                                         "reboot",
                                         "prctl",
                                         "getpgid"};
    policy::SeccompPolicy filter;
    filter.allow = policy::expand_syscalls(allow);
    const policy::ArgTest five{1, policy::Compare::eq, 5, 0};
    filter.rules = {{{"getpgid"}, {five}, policy::verdict_errno(ENOSYS)},
                    {{"acct"}, {}, policy::verdict_kill()},
                    {{"swapon"}, {}, policy::verdict_errno(ENOSYS)}};
    policy::LaunchPlan plan = base_plan();
    plan.process.args = {"probe", "sleep"};
    plan.seccomp = policy::to_bytes(policy::compile_seccomp(filter, arch));
    return plan;
}

std::string call(const char* verb, long nr, const std::string& rest = "") {
    return verb + std::string(" ") + std::to_string(nr) + rest + "\n";
}

struct Pipe {
    UniqueFd read, write;
    Pipe() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("cannot pipe");
        read = UniqueFd(ends[0]);
        write = UniqueFd(ends[1]);
    }
};

launch::LaunchReply enter(World& world, policy::LaunchPlan plan, const Running& mode,
                          BorrowedFd program, Pipe& in, Pipe& out) {
    plan.process.args = {"pmos-try"};
    plan.process.rlimits = {{RLIMIT_AS, kMaxSpace, kMaxSpace}};
    const UniqueFd sealed = must(launch::seal_plan(policy::encode(plan)));
    launch::LaunchDescriptors fds;
    fds.plan = sealed.borrow();
    fds.cgroup = world.cgroup();
    fds.pidfd = mode.reply.pidfd.borrow();
    fds.stdin_fd = in.read.borrow();
    fds.stdout_fd = out.write.borrow();
    fds.program = program;
    launch::Request request;
    request.verb = launch::Verb::enter;
    auto reply = world.ask(request, fds);
    in.read.reset();
    out.write.reset();
    return reply;
}

// The answers to some lines, in a mode of this plan.
std::vector<std::string> answers(World& world, const policy::LaunchPlan& plan,
                                 const std::string& lines) {
    const Running mode = world.start(plan);
    REQUIRE(mode.reply.ok());
    const UniqueFd program = must(launch::seal_program(paths().tryer));
    Pipe in, out;
    const auto reply = enter(world, plan, mode, program.borrow(), in, out);
    INFO(launch::describe(reply.reply, plan).message());
    REQUIRE(reply.ok());
    REQUIRE(::write(in.write.get(), lines.data(), lines.size()) ==
            static_cast<ssize_t>(lines.size()));
    in.write.reset();
    std::vector<std::string> found;
    std::istringstream text(read_all(out.read.borrow()));
    for (std::string line; std::getline(text, line);) found.push_back(line);
    CHECK(wait_for(reply.pidfd.borrow()) == 0);
    return found;
}

using Answers = std::vector<std::string>;

}  // namespace

TEST_CASE("pmos-try tells what a filter says of a call that is never carried out") {
    World world;
    const auto told = answers(world, filtered_plan(),
                              call("judge", SYS_reboot, " 0xfee1dead 672274793 0x4321fedc") +
                                  call("judge", SYS_exit_group) + call("judge", SYS_ptrace) +
                                  call("judge", SYS_getpgid, " 0 5") + call("judge", SYS_swapon) +
                                  call("judge", SYS_getpgid, " 0 6") + call("judge", SYS_acct) +
                                  call("call", SYS_getpgid, " 0 5") + call("call", SYS_ptrace) +
                                  call("call", SYS_getpgid, " 999"));
    CHECK(told == Answers{"ok 0", "ok 0", "errno 1 judge", "errno 38 judge", "errno 38 judge",
                          "ok 0", "killed 31", "errno 38 call", "errno 1 call", "errno 3 call"});
}

TEST_CASE("pmos-try opens, writes and executes as the mode could") {
    World world;
    policy::LaunchPlan plan = base_plan();
    plan.process.args = {"probe", "sleep"};
    const auto told = answers(world, plan,
                              "read /proc/meminfo\nread /proc/version\nread /proc/acpi\nread /usr\n"
                              "read /nowhere\nwrite /usr\nwrite /usr/new\nwrite /bin/probe\n"
                              "write /tmp\nwrite /tmp/new\nexecute /tmp\nexecute /tmp/new\n"
                              "execute /bin/probe\nexecute /usr\nread /tmp\nopen /dev/null\n"
                              "lock /bin/probe\nremount /\nread /a path with spaces\n");
    CHECK(told == Answers{"ok 64", "ok 0", "ok 0", "ok 0", "errno 2 open", "errno 30 create",
                          "errno 30 create", "errno 30 open", "ok 0", "ok 0", "errno 13 execute",
                          "errno 13 execute", "ok 0", "errno 30 create", "ok 0", "ok 0", "ok 0",
                          "errno 1 mount_setattr", "errno 2 open"});
}

TEST_CASE("pmos-try makes sockets, connects and says what it does not understand") {
    World world;
    policy::LaunchPlan plan = base_plan();
    plan.process.args = {"probe", "sleep"};
    const std::string address =
        "0200"
        "01bb"
        "0a000001"
        "0000000000000000";
    const auto told =
        answers(world, plan,
                "socket 2 1 0\nsocket 99 1 0\nconnect 2 1 0 " + address +
                    "\ncapability 21\nnonsense\njudge\nread\ncall 39x\nconnect 2 1 0 0\n" +
                    std::string(9000, 'a') + "\nsocket 1 1 0\n");
    CHECK(told == Answers{"ok 0", "errno 97 socket", "errno 101 connect", "ok 0", "bad", "bad",
                          "bad", "bad", "bad", "bad", "ok 0"});
}

TEST_CASE("pmos-try holds a lock and a key for as long as it lives") {
    World world;
    policy::LaunchPlan plan = base_plan();
    plan.process.args = {"probe", "sleep"};
    const auto told = answers(world, plan, "hold /bin/probe\nlock /bin/probe\nkey-add one\n");
    REQUIRE(told.size() == 3);
    CHECK(told[0] == "ok 0");
    CHECK(told[1] == "errno 11 lock");
    CHECK(told[2].starts_with("ok "));
}

TEST_CASE("a program that is not sealed, or that is to start a mode, is refused") {
    World world;
    const policy::LaunchPlan plan = base_plan();
    const Running mode = world.start(filtered_plan());
    REQUIRE(mode.reply.ok());
    const UniqueFd open(::memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    Pipe in, out;
    const auto reply = enter(world, plan, mode, open.borrow(), in, out);
    CHECK(reply.reply.step == launch::Step::map_plan);
    CHECK(reply.reply.sys_errno == EPERM);

    const UniqueFd sealed = must(launch::seal_plan(policy::encode(plan)));
    const UniqueFd program = must(launch::seal_program(paths().tryer));
    const UniqueFd tree = must(world.image().clone_tree());
    launch::LaunchDescriptors fds;
    fds.plan = sealed.borrow();
    fds.cgroup = world.cgroup();
    fds.root_tree = tree.borrow();
    fds.status = sealed.borrow();
    fds.program = program.borrow();
    launch::Request request;
    CHECK(world.ask(request, fds).reply.step == launch::Step::read_request);
}
