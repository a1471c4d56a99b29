// tests: a mode's cgroup on this kernel's cgroup v2.
#include "runtime/host/cgroup.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "../cgroup_tree.h"

using namespace pmos;
using host::Cgroup;

namespace {

std::string prepared_root() {
    const std::string root = test_cgroup_tree() + "/modes";
    REQUIRE(host::prepare_cgroup_root(root));
    return root;
}

// A child that sleeps in the cgroup until it is killed.
pid_t sleep_in(const std::string& directory) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        std::ofstream(directory + "/cgroup.procs") << "0";
        for (;;) ::pause();
    }
    for (int i = 0; i < 500; ++i) {
        std::ifstream procs(directory + "/cgroup.procs");
        std::string word;
        if (procs >> word) return pid;
        ::usleep(2000);
    }
    FAIL("the child never reached its cgroup");
    return pid;
}

template <class Reached>
bool wait_for_event(BorrowedFd events, Reached reached) {
    for (int i = 0; i < 100 && !reached(); ++i) {
        pollfd p{events.get(), POLLPRI, 0};
        if (::poll(&p, 1, 5000) <= 0) return reached();
        Cgroup::settle_events(events);
    }
    return reached();
}

}  // namespace

TEST_CASE("a cgroup is made, found again and removed") {
    const std::string root = prepared_root();
    REQUIRE(host::prepare_cgroup_root(root));  // once more is fine
    CHECK(Cgroup::open(root, "secure").error().code == Code::not_found);
    auto cgroup = Cgroup::create(root, "secure");
    REQUIRE(cgroup);
    REQUIRE(Cgroup::open(root, "secure"));
    CHECK_FALSE(cgroup->populated());
    CHECK_FALSE(cgroup->is_frozen());
    auto again = Cgroup::create(root, "secure");  // what a crash left is empty: taken over
    REQUIRE(again);
    std::filesystem::create_directories(root + "/secure/a/b");
    REQUIRE(again->remove());
    CHECK_FALSE(std::filesystem::exists(root + "/secure"));
    REQUIRE(again->remove());
    ::rmdir(root.c_str());
}

TEST_CASE("freeze, thaw and kill are announced, and a populated cgroup stays") {
    const std::string root = prepared_root();
    auto cgroup = Cgroup::create(root, "secure");
    REQUIRE(cgroup);
    const pid_t pid = sleep_in(root + "/secure");
    CHECK(cgroup->populated());
    CHECK(cgroup->contains(pid));
    CHECK_FALSE(cgroup->contains(::getpid()));
    auto events = cgroup->open_events();
    REQUIRE(events);
    pollfd quiet{events->get(), POLLPRI, 0};
    CHECK(::poll(&quiet, 1, 0) == 0);  // nothing has changed since the opening

    REQUIRE(cgroup->freeze());
    CHECK(wait_for_event(events->borrow(), [&] { return cgroup->is_frozen(); }));
    REQUIRE(cgroup->thaw());
    CHECK(wait_for_event(events->borrow(), [&] { return !cgroup->is_frozen(); }));
    CHECK(Cgroup::create(root, "secure").error().code == Code::busy);
    CHECK(cgroup->remove().error().code == Code::busy);
    CHECK(cgroup->contains(pid));

    REQUIRE(cgroup->freeze());
    REQUIRE(cgroup->kill());  // a frozen one as well
    CHECK(wait_for_event(events->borrow(), [&] { return !cgroup->populated(); }));
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status));
    REQUIRE(cgroup->remove());
    ::rmdir(root.c_str());
}

TEST_CASE("a limit without a controller refuses, unless it is optional") {
    const std::string root = prepared_root();
    auto cgroup = Cgroup::create(root, "secure");
    REQUIRE(cgroup);
    policy::CgroupLimit limit{"nothing.max", "1", "nothing", false, "/resources/nothing/max"};
    auto applied = cgroup->apply({limit});
    REQUIRE_FALSE(applied);
    CHECK(applied.error().code == Code::unsupported);
    CHECK(applied.error().what.find("/resources/nothing/max") != std::string::npos);
    CHECK(applied.error().fix.find("optional") != std::string::npos);
    limit.optional = true;
    applied = cgroup->apply({limit});
    REQUIRE(applied);
    CHECK(applied->size() == 1);

    // Needs no controller, so it is there on every kernel.
    policy::CgroupLimit depth{"cgroup.max.depth", "3", "", false, ""};
    REQUIRE(cgroup->apply({depth}));
    std::string value;
    std::ifstream(root + "/secure/cgroup.max.depth") >> value;
    CHECK(value == "3");
    depth.value = "many";
    depth.optional = true;  // a value that the kernel refuses is never optional
    CHECK_FALSE(cgroup->apply({depth}));
    CHECK_FALSE(cgroup->apply({{"../x", "1", "", true, ""}}));
    REQUIRE(cgroup->remove());
    ::rmdir(root.c_str());
}

TEST_CASE("a directory that is no cgroup cannot hold modes") {
    auto refused = host::prepare_cgroup_root("/tmp/pmos-not-a-cgroup");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::unsupported);
    CHECK_FALSE(std::filesystem::exists("/tmp/pmos-not-a-cgroup"));
    CHECK_FALSE(host::prepare_cgroup_root("/"));
}
