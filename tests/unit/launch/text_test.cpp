// tests: the small things the child says and searches with: numbers, PATH, step names, words.
#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "runtime/launch/client.h"
#include "runtime/sys/number.h"
#include "runtime/sys/search_path.h"

using namespace pmos;
using namespace pmos::launch;
using namespace pmos::sys;

TEST_CASE("numbers become text without a C library") {
    TextBuffer<64> text;
    text.add(std::int64_t{0});
    text.add(' ');
    text.add(std::int64_t{4294967295});
    text.add(' ');
    text.add(INT64_MIN);
    CHECK(text.text() == std::string("0 4294967295 -9223372036854775808"));
    CHECK_FALSE(text.full());
    TextBuffer<4> small;
    small.add("abcd");
    CHECK(small.text() == std::string("abc"));
    CHECK(small.full());
}

TEST_CASE("a program's path is joined only where it fits") {
    char out[8];
    CHECK(join_path("/a/b", 2, "c", out, sizeof out));
    CHECK(out == std::string("/a/c"));
    CHECK(join_path("/abcd", 5, "f", out, sizeof out));
    CHECK(out == std::string("/abcd/f"));
    CHECK_FALSE(join_path("/abcde", 6, "f", out, sizeof out));
    CHECK_FALSE(join_path("/abcdefghij", 11, "f", out, sizeof out));
}

TEST_CASE("PATH is the environment's, or the usual one") {
    const char* const with[] = {"PATHS=/x", "A=b", "PATH=/one:/two", nullptr};
    const char* const without[] = {"A=b", nullptr};
    CHECK(search_path_of(with) == std::string("/one:/two"));
    CHECK(std::string(search_path_of(without)).find(":/bin") != std::string::npos);
}

TEST_CASE("every step has a name of its own") {
    std::set<std::string> names;
    for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(Step::count_); ++i)
        names.insert(step_name(Step{i}));
    CHECK(names.size() == static_cast<std::size_t>(Step::count_));
    CHECK(names.count("unknown") == 0);
    CHECK(step_name(Step::count_) == std::string("unknown"));
    CHECK(step_name(Step::reply) == std::string("reply"));
    CHECK(step_name(Step::child_seccomp) == std::string("child-seccomp"));
    CHECK(step_name(Step::enter_tty) == std::string("enter-tty"));
}

TEST_CASE("a failed launch is described by step, object, reason and hint") {
    policy::LaunchPlan plan;
    plan.mode = "secure";
    policy::MountOp op;
    op.source = "tmpfs";
    op.target = "/run/x";
    plan.mounts = {op};
    Reply reply;
    reply.step = Step::child_mounts;
    reply.sys_errno = ENOENT;
    reply.op = 0;
    const Error error = describe(reply, plan);
    CHECK(error.step == "child-mounts");
    CHECK(error.code == Code::not_found);
    CHECK(error.what == "cannot launch mode 'secure': child-mounts of 'tmpfs' on '/run/x' failed");
    CHECK(error.fix.find("make the directory") == 0);
    reply.op = 9;  // of another plan: no words, no crash
    CHECK(describe(reply, plan).what == "cannot launch mode 'secure': child-mounts failed");
    reply.step = Step::child_exec_init;
    reply.sys_errno = ETIMEDOUT;
    CHECK(describe(reply, plan).code == Code::timed_out);
}
