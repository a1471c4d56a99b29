// tests: who is a stray, and what /proc says of a process.
#include "runtime/daemon/strays.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>

#include "base/fd.h"
#include "runtime/daemon/process_stat.h"

using namespace pmos;
using namespace pmos::daemon;

namespace {

// A child that lives until it is killed; no pidfd of it is here.
struct Sleeper {
    int pid = ::fork();
    Sleeper() {
        if (pid != 0) return;
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) ::pause();
    }
    Sleeper(const Sleeper&) = delete;
    Sleeper& operator=(const Sleeper&) = delete;
    ~Sleeper() {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
    }
};

bool is_child(int pid) { return std::ranges::count(children(), pid, &Child::pid) != 0; }

}  // namespace

TEST_CASE("a stray is ended; who was inherited or has a pidfd here is not") {
    const auto loop = std::move(*EventLoop::make());
    const Sleeper inherited;
    const auto before = children();
    REQUIRE(std::ranges::count(before, inherited.pid, &Child::pid) == 1);
    const Sleeper known;
    const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, known.pid, 0)));
    REQUIRE(pidfd);
    // Not a Sleeper: once it is reaped its number may be anybody's.
    const int stray = ::fork();
    if (stray == 0)
        for (;;) ::pause();
    REQUIRE(is_child(stray));

    end_strays(*loop, before);
    for (int i = 0; i < 100 && is_child(stray); ++i) sd_event_run(loop->get(), 100000);
    CHECK_FALSE(is_child(stray));
    CHECK(::waitpid(inherited.pid, nullptr, WNOHANG) == 0);
    CHECK(::waitpid(known.pid, nullptr, WNOHANG) == 0);
}

TEST_CASE("a later child of an inherited one's number is a stray all the same") {
    const auto loop = std::move(*EventLoop::make());
    const int stray = ::fork();
    if (stray == 0)
        for (;;) ::pause();
    const auto stat = process_stat(stray);
    REQUIRE(stat.has_value());
    end_strays(*loop, {{stray, stat->start_time - 1}});
    for (int i = 0; i < 100 && is_child(stray); ++i) sd_event_run(loop->get(), 100000);
    CHECK_FALSE(is_child(stray));
}

TEST_CASE("parent and start time of a process are told, whatever its name") {
    char name[16] = {};
    REQUIRE(::prctl(PR_GET_NAME, name) == 0);
    REQUIRE(::prctl(PR_SET_NAME, "a) S 1 (b") == 0);
    const auto own = process_stat(::getpid());
    REQUIRE(::prctl(PR_SET_NAME, name) == 0);
    REQUIRE(own.has_value());
    CHECK(own->parent == ::getppid());
    const auto again = process_stat(::getpid());
    REQUIRE(again.has_value());
    CHECK(*own == *again);
    CHECK(own->start_time > process_stat(1)->start_time);
    const auto none = process_stat(0x3fffff);
    REQUIRE_FALSE(none.has_value());
    CHECK(none.error().code == Code::not_found);
}
