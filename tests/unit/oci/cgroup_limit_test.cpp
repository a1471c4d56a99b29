// tests: limits, devices and managers of a container's cgroup on this kernel's cgroup v2.
#include "cgroup_support.h"

using namespace pmos;
using namespace pmos::oci;
using namespace pmos::oci::test;

TEST_CASE("a limit without its controller is an error that names it, and leaves nothing") {
    auto request = request_for("/a/web");
    request.resources.limits = {limit("nothing.max", "1", "nothing")};
    const auto refused = ContainerCgroup::create(request);
    CHECK(refused.error().code == Code::unsupported);
    CHECK(refused.error().what.find("/linux/resources/nothing.max") != std::string::npos);
    CHECK(refused.error().why.find("'nothing'") != std::string::npos);
    CHECK_FALSE(refused.error().fix.empty());
    CHECK_FALSE(fs::exists(test_cgroup_tree() + "/a"));
    // One that may be left out is, in words.
    request.resources.limits[0].optional = true;
    auto made = ContainerCgroup::create(request);
    REQUIRE(made);
    CHECK(made->statements().size() == 1);
    REQUIRE(made->undo());
}

TEST_CASE("limits that need no controller, and those before a bad one as they were") {
    auto request = request_for("/web");
    request.resources.limits = {limit("cgroup.max.depth", "7")};
    auto cgroup = ContainerCgroup::create(request);
    REQUIRE(cgroup);
    const auto file = cgroup->record().path + "/cgroup.max.depth";
    CHECK(text_of(file) == "7\n");
    REQUIRE(cgroup->update({{limit("cgroup.max.depth", "8")}, {}}));
    CHECK(text_of(file) == "8\n");
    const auto refused = cgroup->update(
        {{limit("cgroup.max.depth", "9"), limit("cgroup.max.descendants", "many")}, {}});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().what.find("cgroup.max.descendants") != std::string::npos);
    CHECK(refused.error().undo_failures.empty());
    CHECK(text_of(file) == "8\n");
    CHECK_FALSE(cgroup->update({{limit("../x", "9")}, {}}));
    REQUIRE(cgroup->remove());
}

TEST_CASE("devices: the rules, what is always there, and another list at once") {
    auto request = request_for("/web");
    request.resources.devices = {kDenyAll};
    auto cgroup = ContainerCgroup::create(request);
    REQUIRE(cgroup);
    CHECK(cgroup->statements().empty());
    CHECK(open_inside(*cgroup, "/dev/null") == 0);
    CHECK(open_inside(*cgroup, "/dev/kmsg") == EPERM);
    REQUIRE(cgroup->update({{}, {kDenyAll, {true, 'c', 1, 11, true, false, false}}}));
    CHECK(open_inside(*cgroup, "/dev/kmsg") == 0);
    REQUIRE(cgroup->update({{}, {kDenyAll}}));
    CHECK(open_inside(*cgroup, "/dev/kmsg") == EPERM);
    REQUIRE(cgroup->update({{}, {}}));  // says nothing of devices
    CHECK(open_inside(*cgroup, "/dev/kmsg") == EPERM);
    REQUIRE(cgroup->update({{}, {kAllowAll}}));
    CHECK(open_inside(*cgroup, "/dev/kmsg") == 0);
    REQUIRE(cgroup->remove());
}

TEST_CASE("the longest list of devices passes the verifier") {
    auto request = request_for("/web");
    for (std::uint32_t i = 0; i < 550; ++i)
        request.resources.devices.push_back(
            {i % 3 == 0, i % 2 == 0 ? 'c' : 'b', 300 + i, i, true, i % 5 == 0, false});
    request.resources.devices.push_back({true, 'c', 1, 11, true, false, false});
    auto cgroup = ContainerCgroup::create(request);
    REQUIRE(cgroup);
    CHECK(open_inside(*cgroup, "/dev/kmsg") == 0);
    REQUIRE(cgroup->remove());
    for (std::uint32_t i = 0; i < 100; ++i)
        request.resources.devices.push_back({false, 'c', i, i, true, true, true});
    CHECK(ContainerCgroup::create(request).error().code == Code::no_space);
    CHECK_FALSE(fs::exists(test_cgroup_tree() + "/web"));
}

TEST_CASE("systemd's manager by a helper that does what systemd would") {
    const FakeHelper helper;
    auto request = request_for("");
    const pid_t pid = ::fork();
    if (pid == 0) sleep_for_ever();
    request.cgroups_path = "a.slice:p:x";
    request.manager = CgroupManager::systemd;
    request.helper = helper.program;
    request.pid = pid;
    request.resources.limits = {limit("cgroup.max.depth", "7")};
    request.resources.devices = {kDenyAll};
    auto cgroup = ContainerCgroup::create(request);
    REQUIRE(cgroup);
    CHECK(cgroup->record().scope == "p-x.scope");
    CHECK(cgroup->record().path == test_cgroup_tree() + "/p-x.scope");
    CHECK(*cgroup->pids() == std::vector{pid});
    CHECK(text_of(cgroup->record().path + "/cgroup.max.depth") == "7\n");
    CHECK(open_inside(*cgroup, "/dev/kmsg") == EPERM);
    REQUIRE(cgroup->update({{limit("cgroup.max.depth", "8")}, {}}));
    REQUIRE(cgroup->remove());
    ::waitpid(pid, nullptr, 0);
    CHECK(text_of(helper.log) ==
          "start a.slice p-x.scope " + std::to_string(pid) + " container web\nstop p-x.scope\n");

    request.cgroups_path = "a.slice:bad:x";
    const auto refused = ContainerCgroup::create(request);
    CHECK(refused.error().why == "no such slice");
    CHECK(refused.error().fix == "choose another");
    request.helper = "/nowhere/pmos-oci-systemd";
    CHECK(ContainerCgroup::create(request).error().code == Code::not_found);
    // A limit that fails ends the scope that was begun.
    const pid_t victim = ::fork();
    if (victim == 0) sleep_for_ever();
    request.cgroups_path = ":p:y";
    request.helper = helper.program;
    request.pid = victim;
    request.resources.limits = {limit("nothing.max", "1", "nothing")};
    CHECK(ContainerCgroup::create(request).error().code == Code::unsupported);
    int status = 0;
    ::waitpid(victim, &status, 0);
    CHECK(WTERMSIG(status) == SIGKILL);
    for (int i = 0; i < 100 && ::rmdir((test_cgroup_tree() + "/p-y.scope").c_str()) != 0; ++i)
        ::usleep(5000);
}

TEST_CASE("controllers are enabled level by level where limits need them") {
    if (!has_controller("pids") || !has_controller("memory")) {
        test_not_run() = "this kernel's cgroup v2 has no controllers 'pids' and 'memory'";
        return;
    }
    auto request = request_for("/a/web");
    request.resources.limits = {limit("pids.max", "5", "pids")};
    auto cgroup = ContainerCgroup::create(request);
    REQUIRE(cgroup);
    CHECK(text_of(test_cgroup_tree() + "/a/cgroup.subtree_control") == "pids\n");
    CHECK(text_of(cgroup->record().path + "/pids.max") == "5\n");
    Inside one(*cgroup, [] {
        int children = 0;
        while (children < 100 && ::fork() >= 0) ++children;
        return children;
    });
    // One more for each update, while it runs; those that were there stay.
    REQUIRE(cgroup->update({{limit("memory.max", "33554432", "memory")}, {}}));
    CHECK(text_of(cgroup->record().path + "/memory.max") == "33554432\n");
    const auto refused = cgroup->update(
        {{limit("memory.max", "67108864", "memory"), limit("pids.max", "few", "pids")}, {}});
    CHECK_FALSE(refused);
    CHECK(text_of(cgroup->record().path + "/memory.max") == "33554432\n");
    REQUIRE(cgroup->kill(SIGKILL));
    one.wait();
    REQUIRE(cgroup->remove());
    CHECK(::rmdir((test_cgroup_tree() + "/a").c_str()) == 0);
}

TEST_CASE("what systemd does not take is not in the files either") {
    if (!has_controller("pids")) return;
    const FakeHelper helper;
    auto request = request_for("");
    const pid_t pid = ::fork();
    if (pid == 0) sleep_for_ever();
    request.cgroups_path = ":p:x";
    request.manager = CgroupManager::systemd;
    request.helper = helper.program;
    request.pid = pid;
    request.resources.limits = {limit("pids.max", "7", "pids")};
    auto cgroup = ContainerCgroup::create(request);
    REQUIRE(cgroup);
    CHECK(cgroup->update({{limit("pids.max", "13", "pids")}, {}}).error().undo_failures.empty());
    CHECK(text_of(cgroup->record().path + "/pids.max") == "7\n");
    REQUIRE(cgroup->update({{limit("pids.max", "max", "pids")}, {}}));
    CHECK(text_of(cgroup->record().path + "/pids.max") == "max\n");
    CHECK(text_of(helper.log).find("set p-x.scope TasksMax=infinity\n") != std::string::npos);
    // Refused devices take the limits back, with systemd's.
    std::vector<DeviceRule> many(5000, {true, 'c', 1, 1, true, false, false});
    CHECK(cgroup->update({{limit("pids.max", "9", "pids")}, many}).error().code == Code::no_space);
    CHECK(text_of(cgroup->record().path + "/pids.max") == "max\n");
    CHECK(text_of(helper.log).ends_with("TasksMax=9\nset p-x.scope TasksMax=infinity\n"));
    REQUIRE(cgroup->remove());
    ::waitpid(pid, nullptr, 0);
}
