// tests: what capability checks and Landlock refuse, as programs on this kernel tell it.
#include "runtime/refusals/probe.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <optional>

#include "../cgroup_tree.h"
#include "runtime/bpf/objects.h"
#include "runtime/refusals/programs.h"

using namespace pmos;
using refusals::Hook;

namespace {

struct TestCgroup {
    std::string path;
    UniqueFd fd;
    explicit TestCgroup(const std::string& name) : path(test_cgroup_tree() + "/" + name) {
        REQUIRE(::mkdir(path.c_str(), 0755) == 0);
        fd.reset(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    }
    ~TestCgroup() {
        for (int i = 0; i < 100 && ::rmdir(path.c_str()) != 0; ++i) ::usleep(5000);
    }
    std::uint64_t id() const { return *bpf::cgroup_id(fd.borrow()); }
    // What the child returns, from within the cgroup.
    int run(const std::function<int()>& child) const {
        const pid_t pid = ::fork();
        if (pid == 0) {
            std::ofstream(path + "/cgroup.procs") << "0";
            ::_exit(child());
        }
        int status = 0;
        ::waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
};

void drop_capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    if (::syscall(SYS_capset, &header, data) != 0) ::_exit(99);
}
int rename_host() { return ::sethostname("x", 1) != 0 ? errno : 0; }
int refused() {
    drop_capabilities();
    return rename_host();
}

// Empty where this kernel lets nobody trace it, or describes itself to nobody: then only the phone
// (handset test 42-denials-asked) runs the programs. A verifier that refuses one is a failure.
std::optional<refusals::Probe> probe_here() {
    auto probe = refusals::Probe::make();
    if (probe) return std::move(*probe);
    const auto why = probe.error().message();
    test_not_run() = "not run on this kernel, only on the phone: " + why;
    const bool closed = why.find(std::strerror(EPERM)) != std::string::npos;
    const bool untold = why.find("description") != std::string::npos;
    CHECK((closed || untold));
    return std::nullopt;
}

}  // namespace

TEST_CASE("a capability that a watched cgroup lacks is told, and no other's") {
    const TestCgroup mode("mode"), other("other");
    auto probe = probe_here();
    if (!probe) return;
    REQUIRE(probe->watch(mode.id(), refusals::watch_capabilities));
    CHECK(other.run(refused) == EPERM);
    CHECK(probe->take().empty());
    CHECK(mode.run([] { return ::syscall(SYS_sethostname, "", 1 << 20) != 0 ? errno : 0; }) ==
          EINVAL);
    CHECK(probe->take().empty());  // it was granted
    CHECK(mode.run(refused) == EPERM);
    pollfd ready{probe->fd().get(), POLLIN, 0};
    CHECK(::poll(&ready, 1, 5000) == 1);
    const auto told = probe->take();
    REQUIRE(told.size() == 1);
    CHECK(told[0].hook == Hook::capability);
    CHECK(told[0].capability == CAP_SYS_ADMIN);
    CHECK(told[0].cgroup == mode.id());
    CHECK(told[0].own);
    CHECK(told[0].times == 1);
    CHECK(told[0].program == "refusals-test");
    CHECK(told[0].pid > 0);
    REQUIRE(probe->watch(mode.id(), 0));
    CHECK(mode.run(refused) == EPERM);
    CHECK(probe->take().empty());
}

TEST_CASE("who asks for the same in a loop is told of ten times a second, and counted") {
    const TestCgroup mode("mode");
    auto probe = probe_here();
    if (!probe) return;
    REQUIRE(probe->watch(mode.id(), refusals::watch_capabilities));
    CHECK(mode.run([] {
        drop_capabilities();
        for (int i = 0; i < 1000; ++i) rename_host();
        ::usleep(150'000);
        return rename_host();
    }) == EPERM);
    std::uint64_t times = 0;
    const auto told = probe->take();
    for (const auto& one : told) times += one.times;
    CHECK(times == 1001);
    CHECK(told.size() >= 2);
    CHECK(told.size() < 100);
}

TEST_CASE("a flood in one cgroup is counted, and hides nothing of another's") {
    const TestCgroup mode("mode"), other("other");
    auto probe = probe_here();
    if (!probe) return;
    REQUIRE(probe->watch(mode.id(), refusals::watch_capabilities));
    REQUIRE(probe->watch(other.id(), refusals::watch_capabilities));
    constexpr int kProcesses = 1000;
    CHECK(mode.run([] {
        drop_capabilities();
        for (int i = 0; i < kProcesses; ++i) {
            const pid_t pid = ::fork();
            if (pid == 0) ::_exit(rename_host());
            ::waitpid(pid, nullptr, 0);
        }
        return 0;
    }) == 0);
    CHECK(other.run([] {
        drop_capabilities();
        return rename_host();
    }) == EPERM);
    std::uint64_t of_mode = 0, of_other = 0;
    for (const auto& one : probe->take())
        (one.cgroup == mode.id() ? of_mode : of_other) += one.times;
    const auto lost = probe->lost(mode.id());
    CHECK(of_other == 1);
    CHECK(lost > 0);
    CHECK(of_mode + lost == kProcesses);
    CHECK(probe->lost(mode.id()) == 0);  // since the last look
    CHECK(probe->lost(other.id()) == 0);
}

TEST_CASE("what is refused in a cgroup below is told as the watched one's") {
    const TestCgroup mode("mode"), child("mode/child"), other("other"), cousin("other/child");
    auto probe = probe_here();
    if (!probe) return;
    REQUIRE(probe->watch(mode.id(), refusals::watch_capabilities));
    CHECK(cousin.run(refused) == EPERM);
    CHECK(child.run(refused) == EPERM);
    const auto told = probe->take();
    REQUIRE(told.size() == 1);
    CHECK(told[0].cgroup == mode.id());
}

TEST_CASE("what Landlock refuses is told with its name") {
    const TestCgroup mode("mode");
    auto probe = probe_here();
    if (!probe) return;
    REQUIRE(::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) >
            0);
    CHECK(probe->why_unseen(Hook::file_open) == "");
    CHECK(probe->why_unseen(Hook::mkdir) == "");
    REQUIRE(probe->watch(mode.id(), refusals::watch_landlock));
    const std::string file = "/tmp/refused-" + std::to_string(::getpid());
    CHECK(mode.run([&] {
        landlock_ruleset_attr attr{};
        attr.handled_access_fs = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
                                 LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_DIR;
        const long ruleset = ::syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
        if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 98;
        if (::syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) return 97;
        if (::mkdir(file.c_str(), 0700) == 0) return 96;
        if (::open("/dev/null", O_WRONLY) >= 0) return 95;
        ::execl("/bin/true", "true", nullptr);
        return errno;
    }) == EACCES);
    const auto told = probe->take();
    const auto find = [&](Hook hook, const std::string& name) {
        return std::ranges::find_if(
            told, [&](const auto& r) { return r.hook == hook && r.name == name; });
    };
    for (const auto& one : told)
        INFO(static_cast<int>(one.hook) << " " << one.name << " " << one.flags);
    CHECK(find(Hook::mkdir, file.substr(5)) != told.end());
    const auto null = find(Hook::file_open, "null");
    REQUIRE(null != told.end());
    CHECK((null->flags & O_ACCMODE) == O_WRONLY);
    const auto run = find(Hook::file_open, "true");
    REQUIRE(run != told.end());
    CHECK((run->flags & 0x20) != 0);  // FMODE_EXEC
}

TEST_CASE("what a watch costs those that are not watched", "[.cost]") {
    const TestCgroup mode("mode");
    auto probe = probe_here();
    if (!probe) return;
    const auto ns_each = [&](const char* what) {
        const pid_t pid = ::fork();
        if (pid == 0) {
            drop_capabilities();
            constexpr int kTimes = 2'000'000;
            double best = 1e9;
            for (int round = 0; round < 5; ++round) {
                const auto begin = std::chrono::steady_clock::now();
                for (int i = 0; i < kTimes; ++i) rename_host();
                const std::chrono::duration<double, std::nano> took =
                    std::chrono::steady_clock::now() - begin;
                best = std::min(best, took.count() / kTimes);
            }
            std::printf("%s: %.1f ns\n", what, best);
            std::fflush(stdout);
            ::_exit(0);
        }
        ::waitpid(pid, nullptr, 0);
    };
    ns_each("a refused sethostname(2), nobody watches");
    REQUIRE(probe->watch(mode.id(), refusals::watch_capabilities));
    ns_each("another cgroup is watched");
    REQUIRE(probe->watch(mode.id(), 0));
    TestCgroup own("own");
    REQUIRE(probe->watch(own.id(), refusals::watch_capabilities));
    own.run([&] {
        ns_each("it is watched itself");
        return 0;
    });
}
