// native tests: a filter that asks, and who answers it.
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "policy/syscall_filter.h"
#include "runtime/launch/protocol.h"
#include "runtime/launch/questions.h"
#include "world.h"

using namespace pmos;
using namespace pmos::test;

namespace {

constexpr std::uint32_t kNewListener = 8;

// Refuses getpgid and sysinfo; asks whether to.
policy::LaunchPlan asking_plan(std::vector<std::string> args) {
    const policy::Arch& arch = *policy::find_arch("x86_64");
    policy::SeccompPolicy filter;
    filter.allow = policy::recordable_syscalls(arch, {"getpgid", "sysinfo"});
    policy::LaunchPlan plan = base_plan();
    plan.process.args = std::move(args);
    plan.seccomp = policy::to_bytes(policy::compile_seccomp(filter, arch, policy::Ask::refusals));
    plan.seccomp_flags = kNewListener;
    filter.allow.insert("getpgid");
    plan.seccomp_answer = policy::to_bytes(policy::compile_seccomp(filter, arch));
    return plan;
}

std::vector<std::string> calls(std::initializer_list<long> numbers) {
    std::vector<std::string> args{"probe", "call"};
    for (const long nr : numbers) args.push_back(std::to_string(nr));
    return args;
}

launch::Question asked(BorrowedFd listener) {
    pollfd ready{listener.get(), POLLIN, 0};
    REQUIRE(::poll(&ready, 1, 10000) == 1);
    const auto question = launch::next_question(listener);
    REQUIRE(question.has_value());
    return *question;
}

void answer_by_plan(const policy::LaunchPlan& plan, BorrowedFd listener, std::uint32_t nr) {
    const auto question = asked(listener);
    CHECK(question.call.nr == nr);
    CHECK(question.pid > 0);
    launch::answer(listener, question,
                   policy::evaluate(policy::from_bytes(plan.seccomp_answer), question.call));
}

}  // namespace

TEST_CASE("a filter's question is answered by its listener") {
    World world;
    const auto plan = asking_plan(calls({SYS_getpgid, SYS_sysinfo, SYS_ptrace, SYS_getppid}));
    const Running mode = world.start(plan);
    INFO(launch::describe(mode.reply.reply, plan).message());
    REQUIRE(mode.reply.ok());
    REQUIRE(mode.reply.listener);
    const BorrowedFd listener = mode.reply.listener.borrow();
    answer_by_plan(plan, listener, SYS_getpgid);
    answer_by_plan(plan, listener, SYS_sysinfo);
    answer_by_plan(plan, listener, SYS_ptrace);
    CHECK(read_all(mode.output.borrow()) == std::string{'\0', EPERM, EPERM, '\0'});
    CHECK(wait_for(mode.reply.pidfd.borrow()) == 0);
    CHECK_FALSE(launch::next_question(listener).has_value());
    pollfd ended{listener.get(), POLLIN, 0};
    REQUIRE(::poll(&ended, 1, 10000) == 1);
    CHECK((ended.revents & POLLHUP) != 0);
}

TEST_CASE("a process that enters has a listener of its own") {
    World world;
    const Running mode = world.start(asking_plan({"probe", "sleep"}));
    REQUIRE(mode.reply.ok());
    const auto plan = asking_plan(calls({SYS_getpgid}));
    const Running entered = world.enter(plan, mode);
    INFO(launch::describe(entered.reply.reply, plan).message());
    REQUIRE(entered.reply.ok());
    REQUIRE(entered.reply.listener);
    answer_by_plan(plan, entered.reply.listener.borrow(), SYS_getpgid);
    CHECK(read_all(entered.output.borrow()) == std::string(1, '\0'));
    CHECK(wait_for(entered.reply.pidfd.borrow()) == 0);
}

TEST_CASE("without a listener a question is refused") {
    World world;
    // The first call is answered by nobody, the second after the listener has gone.
    const auto plan = asking_plan(calls({SYS_getpgid, SYS_sysinfo}));
    Running mode = world.start(plan);
    REQUIRE(mode.reply.ok());
    asked(mode.reply.listener.borrow());
    mode.reply.listener.reset();
    CHECK(read_all(mode.output.borrow()) == std::string(2, ENOSYS));
    CHECK(wait_for(mode.reply.pidfd.borrow()) == 0);
}

// Nobody listens before the launcher has answered: what is asked by then would wait for its limit.
TEST_CASE("a rule on what is called before somebody listens keeps nobody waiting") {
    const policy::Arch& arch = *policy::find_arch("x86_64");
    std::vector<std::string> names{std::string(policy::required_syscalls()),
                                   std::string(policy::startup_syscalls())};
    const auto with_rule = [&](const std::string& name, policy::Ask ask) {
        policy::SeccompPolicy filter;
        filter.allow = policy::recordable_syscalls(arch, {});
        filter.rules.push_back({{name}, {}, policy::verdict_errno(EPERM)});
        policy::LaunchPlan plan = base_plan();
        plan.process.args = {"probe", "sleep"};
        plan.seccomp = policy::to_bytes(policy::compile_seccomp(filter, arch, ask));
        if (ask == policy::Ask::nothing) return plan;
        plan.seccomp_flags = kNewListener;
        plan.seccomp_answer = policy::to_bytes(policy::compile_seccomp(filter, arch));
        return plan;
    };
    std::size_t started = 0, refused = 0;
    for (const auto& name : policy::expand_syscalls(names)) {
        World world;
        launch::Request request;
        request.timeout_ms = 3000;
        const auto plain = world.start(with_rule(name, policy::Ask::nothing), request);
        const auto asked = world.start(with_rule(name, policy::Ask::refusals), request);
        INFO(name << ": as an ordinary start "
                  << launch::describe(plain.reply.reply, base_plan()).message()
                  << ", while recording "
                  << launch::describe(asked.reply.reply, base_plan()).message());
        CHECK(asked.reply.reply.sys_errno != ETIMEDOUT);
        // By read(2) the child waits for the launcher to take the listener: refused, but at once.
        if (name != "read") CHECK(asked.reply.ok() == plain.reply.ok());
        (plain.reply.ok() ? started : refused)++;
    }
    // Both kinds were among them: execve(2) is needed, fcntl(2) is not.
    CHECK(started > 0);
    CHECK(refused > 0);
}

TEST_CASE("a question that its listener took and died over is asked again after a freeze") {
    World world;
    const auto plan = asking_plan(calls({SYS_sysinfo}));
    const Running mode = world.start(plan);
    REQUIRE(mode.reply.ok());
    const BorrowedFd listener = mode.reply.listener.borrow();
    const auto lost = asked(listener);
    const auto freeze = [&](const char* state) {
        std::ofstream(world.cgroup_file("cgroup.freeze")) << state;
    };
    freeze("1");
    freeze("0");
    const auto again = asked(listener);
    CHECK(again.id != lost.id);
    CHECK(again.call.nr == SYS_sysinfo);
    // The old one is nobody's any more.
    launch::answer(listener, lost, policy::verdict_errno(EXDEV).ret);
    launch::answer(listener, again, policy::verdict_errno(EROFS).ret);
    CHECK(read_all(mode.output.borrow()) == std::string(1, EROFS));
    CHECK(wait_for(mode.reply.pidfd.borrow()) == 0);
}

TEST_CASE("who is asked while the mode is frozen, or after who asked was killed, harms nobody") {
    World world;
    const Running mode = world.start(asking_plan(calls({SYS_sysinfo})));
    REQUIRE(mode.reply.ok());
    const BorrowedFd listener = mode.reply.listener.borrow();
    const auto question = asked(listener);
    std::ofstream(world.cgroup_file("cgroup.freeze")) << "1";
    launch::answer(listener, question, policy::verdict_errno(EPERM).ret);
    std::ofstream(world.cgroup_file("cgroup.kill")) << "1";
    CHECK(wait_for(mode.reply.pidfd.borrow()) != 0);
    CHECK_FALSE(launch::next_question(listener).has_value());
    launch::answer(listener, question, policy::verdict_allow().ret);
}

TEST_CASE("of calls that are judged by their arguments the refusals are asked, and only they") {
    World world;
    const policy::Arch& arch = *policy::find_arch("x86_64");
    policy::SeccompPolicy filter;
    filter.allow = policy::recordable_syscalls(arch, {"sysinfo", "getpgid"});
    // Of 0, the only pid that the probe asks for.
    filter.rules = {{{"getpgid"}, {{0, policy::Compare::eq, 0, 0}}, policy::verdict_errno(EBUSY)}};
    policy::LaunchPlan plan = base_plan();
    plan.process.args = calls({SYS_getpgid, SYS_sysinfo, SYS_getppid});
    plan.seccomp = policy::to_bytes(policy::compile_seccomp(filter, arch, policy::Ask::arguments));
    plan.seccomp_flags = kNewListener;
    plan.seccomp_answer = policy::to_bytes(policy::compile_seccomp(filter, arch));
    const Running mode = world.start(plan);
    INFO(launch::describe(mode.reply.reply, plan).message());
    REQUIRE(mode.reply.ok());
    answer_by_plan(plan, mode.reply.listener.borrow(), SYS_getpgid);
    CHECK(read_all(mode.output.borrow()) == std::string{EBUSY, EPERM, '\0'});
    CHECK(wait_for(mode.reply.pidfd.borrow()) == 0);
}

TEST_CASE("a filter that does not ask has no listener") {
    World world;
    policy::LaunchPlan plan = base_plan();
    plan.process.args = {"probe", "exit", "0"};
    const Running mode = world.start(plan);
    REQUIRE(mode.reply.ok());
    CHECK_FALSE(mode.reply.listener);
    CHECK(wait_for(mode.reply.pidfd.borrow()) == 0);
}
