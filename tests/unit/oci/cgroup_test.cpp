// tests: the life of a container's cgroup on this kernel's cgroup v2.
#include <poll.h>
#include <sys/mman.h>

#include "cgroup_support.h"

using namespace pmos;
using namespace pmos::oci;
using namespace pmos::oci::test;

TEST_CASE("a cgroup is made with all its levels, found again and removed") {
    auto cgroup = ContainerCgroup::create(request_for("/a/b/web"));
    REQUIRE(cgroup);
    REQUIRE(*cgroup);
    CHECK(cgroup->statements().empty());
    CHECK(cgroup->is_new());
    CHECK(cgroup->record().path == test_cgroup_tree() + "/a/b/web");
    CHECK_FALSE(*cgroup->populated());
    const auto again = ContainerCgroup::open(cgroup->record());
    REQUIRE(again);
    {
        Inside one(*again, sleep_for_ever);
        CHECK(*cgroup->pids() == std::vector{one.pid()});
        CHECK(*cgroup->populated());
        CHECK(cgroup->wait_empty(50).error().code == Code::timed_out);
    }
    REQUIRE(cgroup->undo());
    CHECK_FALSE(fs::exists(test_cgroup_tree() + "/a"));
    CHECK(ContainerCgroup::open(cgroup->record()).error().code == Code::not_found);
    REQUIRE(cgroup->remove());
}

TEST_CASE("what was there stays, and a cgroup in use is not taken") {
    const Level level("/there");
    auto first = ContainerCgroup::create(request_for("/there"));
    REQUIRE(first);
    CHECK_FALSE(first->is_new());
    {
        Inside one(*first, sleep_for_ever);
        const auto second = ContainerCgroup::create(request_for("/there"));
        CHECK(second.error().code == Code::busy);
        CHECK(*first->populated());
    }
    REQUIRE(first->undo());
    CHECK(fs::exists(level.path));
    auto below = ContainerCgroup::create(request_for("/there/x/y"));
    REQUIRE(below);
    REQUIRE(below->undo());
    CHECK(fs::exists(level.path));
    CHECK_FALSE(fs::exists(level.path + "/x"));
}

TEST_CASE("freeze and thaw are waited for, and all is killed, frozen or not") {
    auto cgroup = ContainerCgroup::create(request_for("/web"));
    REQUIRE(cgroup);
    // The container has made one of its own below.
    REQUIRE(::mkdir((cgroup->record().path + "/below").c_str(), 0755) == 0);
    Inside one(*cgroup, sleep_for_ever), two(*cgroup, sleep_for_ever);
    std::ofstream(cgroup->record().path + "/below/cgroup.procs") << two.pid() << std::flush;
    auto both = std::vector{one.pid(), two.pid()};
    std::ranges::sort(both);
    CHECK(*cgroup->pids() == both);
    REQUIRE(cgroup->freeze());
    CHECK(*cgroup->is_frozen());
    REQUIRE(cgroup->thaw());
    CHECK_FALSE(*cgroup->is_frozen());
    REQUIRE(cgroup->kill(0));
    CHECK(*cgroup->pids() == both);
    REQUIRE(cgroup->freeze());
    REQUIRE(cgroup->kill(SIGKILL));
    REQUIRE(cgroup->wait_empty(5000));
    CHECK(WTERMSIG(one.wait()) == SIGKILL);
    CHECK(WTERMSIG(two.wait()) == SIGKILL);
    REQUIRE(cgroup->thaw());
    const pid_t three = ::fork();
    if (three == 0) sleep_for_ever();
    REQUIRE(cgroup->attach(three));
    REQUIRE(cgroup->kill(SIGUSR1));
    int status = 0;
    ::waitpid(three, &status, 0);
    CHECK(WTERMSIG(status) == SIGUSR1);
    REQUIRE(cgroup->remove());
    CHECK_FALSE(fs::exists(cgroup->record().path));
}

TEST_CASE("a process is attached, and one that ends late is waited for") {
    auto cgroup = ContainerCgroup::create(request_for("/web"));
    REQUIRE(cgroup);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::usleep(300000);
        ::_exit(0);
    }
    REQUIRE(cgroup->attach(pid));
    CHECK(*cgroup->pids() == std::vector{pid});
    CHECK_FALSE(cgroup->attach(0x7ffffff0));
    REQUIRE(cgroup->remove());
    ::waitpid(pid, nullptr, 0);
}

TEST_CASE("without cgroup v2 a container goes on, unless it asks for what only that has") {
    CgroupRequest request;
    request.id = "web";
    request.cgroups_path = "/pmos/web";
    auto none = ContainerCgroup::create(request, std::nullopt);
    REQUIRE(none);
    CHECK_FALSE(*none);
    REQUIRE(none->statements().size() == 1);
    CHECK(none->statements()[0].find("not mounted") != std::string::npos);
    CHECK_FALSE(none->fd());
    CHECK(none->kill(SIGKILL).error().code == Code::unsupported);
    CHECK(none->freeze().error().code == Code::unsupported);
    REQUIRE(none->remove());
    REQUIRE(none->undo());
    REQUIRE(none->update({}));
    CHECK_FALSE(none->update({{limit("pids.max", "1")}, {}}));
    REQUIRE(ContainerCgroup::open(none->record()));

    request.resources.limits = {limit("pids.max", "1", "pids")};
    const auto limited = ContainerCgroup::create(request, std::nullopt);
    CHECK(limited.error().code == Code::unsupported);
    CHECK(limited.error().what.find("/linux/resources/pids.max") != std::string::npos);
    request.resources.limits.clear();
    // Rules that nobody enforces are no matter only for who makes no device anyway.
    request.resources.devices = {kDenyAll};
    CHECK(ContainerCgroup::create(request, std::nullopt).error().code == Code::unsupported);
    request.makes_no_device = true;
    CHECK(ContainerCgroup::create(request, std::nullopt));
    request.resources.devices = {kAllowAll};
    request.makes_no_device = false;
    CHECK(ContainerCgroup::create(request, std::nullopt));
    request.manager = CgroupManager::none;
    CHECK(ContainerCgroup::create(request));
}

TEST_CASE("without privileges: below what is delegated, or none") {
    const Level level("/delegated");
    CgroupTree tree = *find_cgroup_tree();
    tree.own = level.path.substr(tree.mount.size());
    CgroupRequest request;
    request.id = "web";
    request.rootless = true;
    auto made = ContainerCgroup::create(request, tree);
    REQUIRE(made);
    CHECK(made->record().path == level.path + "/pmos-web");
    REQUIRE(made->remove());
    tree.own.clear();  // none is ours
    auto none = ContainerCgroup::create(request, tree);
    REQUIRE(none);
    CHECK_FALSE(*none);
    request.resources.limits = {limit("pids.max", "1", "pids")};
    const auto limited = ContainerCgroup::create(request, tree);
    CHECK(limited.error().what.find("/linux/resources/pids.max") != std::string::npos);
    CHECK(limited.error().fix.find("systemd-run") != std::string::npos);
}

TEST_CASE("an ordinary user: no filter can be had, and none is needed") {
    const Level level("/delegated");
    for (const auto* name : {"", "/cgroup.procs", "/cgroup.subtree_control"})
        REQUIRE(::chown((level.path + name).c_str(), 4711, 4711) == 0);
    REQUIRE(::chmod(test_cgroup_tree().c_str(), 0755) == 0);
    CgroupTree tree = *find_cgroup_tree();
    tree.own = level.path.substr(tree.mount.size());
    const pid_t pid = ::fork();
    if (pid == 0) {
        if (::setresgid(4711, 4711, 4711) != 0 || ::setresuid(4711, 4711, 4711) != 0) ::_exit(1);
        CgroupRequest request;
        request.id = "web";
        request.rootless = true;
        request.resources.devices = {kDenyAll};
        auto made = ContainerCgroup::create(request, tree);
        if (!made || !*made || made->statements().size() != 1) ::_exit(2);
        if (made->record().path != tree.mount + tree.own + "/pmos-web" || !made->undo()) ::_exit(3);
        // Above what is delegated a controller cannot be had, and the error says whose it is.
        request.resources.limits = {limit("cgroup.max.depth", "7")};
        if (auto limited = ContainerCgroup::create(request, tree); !limited || !limited->undo())
            ::_exit(4);
        request.resources.limits = {limit("hugetlb.2MB.max", "0", "hugetlb")};
        const auto refused = ContainerCgroup::create(request, tree);
        if (refused || refused.error().what.find("hugetlb.2MB.max") == std::string::npos)
            ::_exit(5);
        request.resources.limits.clear();
        request.cgroups_path = "/pmos/web";  // asked for by name: no silence
        if (ContainerCgroup::create(request, tree)) ::_exit(6);
        request.cgroups_path.clear();
        tree.own = test_cgroup_tree().substr(tree.mount.size());  // root's
        if (const auto none = ContainerCgroup::create(request, tree); !none || *none) ::_exit(7);
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("a cgroup is given to who is root inside") {
    auto cgroup = ContainerCgroup::create(request_for("/web"));
    REQUIRE(cgroup);
    REQUIRE(cgroup->give_to(4711, 4712));
    for (const auto* name : {"", "/cgroup.procs", "/cgroup.subtree_control"}) {
        struct stat st {};
        REQUIRE(::stat((cgroup->record().path + name).c_str(), &st) == 0);
        CHECK(st.st_uid == 4711);
        CHECK(st.st_gid == 4712);
    }
    REQUIRE(cgroup->remove());
}

TEST_CASE("what a cgroup counts comes as one line of JSON") {
    auto cgroup = ContainerCgroup::create(request_for("/web"));
    REQUIRE(cgroup);
    Inside one(*cgroup, sleep_for_ever);
    const auto stats = cgroup->stats();
    REQUIRE(stats);
    CHECK(stats->find("\"pids\": {\"current\": 1}") != std::string::npos);
    CHECK(stats->find("\"user\": ") != std::string::npos);
    if (!has_controller("memory")) CHECK(cgroup->watch_memory().error().code == Code::not_found);
    REQUIRE(cgroup->kill(SIGKILL));
    one.wait();
    REQUIRE(cgroup->remove());
}

TEST_CASE("the kernel's kills for memory are heard of") {
    if (!has_controller("memory")) return;
    auto request = request_for("/web");
    request.resources.limits = {limit("memory.max", "16777216", "memory")};
    auto cgroup = ContainerCgroup::create(request);
    REQUIRE(cgroup);
    auto events = cgroup->watch_memory();
    REQUIRE(events);
    Inside one(*cgroup, [] {
        constexpr std::size_t kSize = 256U << 20;
        auto* memory = static_cast<char*>(
            ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        for (std::size_t i = 0; i < kSize; i += 4096) memory[i] = 1;
        return 0;
    });
    pollfd changed{events->fd().get(), POLLPRI, 0};
    CHECK(::poll(&changed, 1, 20000) == 1);
    CHECK(WTERMSIG(one.wait()) == SIGKILL);
    CHECK(ContainerCgroup::memory_kills(events->read()) == 1);
    CHECK(cgroup->stats()->find("\"oom_kill\": 1") != std::string::npos);
    REQUIRE(cgroup->remove());
}
