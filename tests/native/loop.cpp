// native tests: a file as a loop device, where devices are in the making.
#include "runtime/sys/loop.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>

#include "base/fd.h"

using namespace pmos;

namespace {

constexpr int kLoopControlMajor = 10, kLoopControlMinor = 237;  // devices.txt of the kernel

// In a process with a /dev of its own that has the control device and no node of a loop device:
// 0 when attaching a file fails with ENOENT and took at least and at most that many milliseconds.
int attach_without_nodes(bool may_sleep, int at_least_ms, int at_most_ms) {
    const UniqueFd file(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (!file || ::ftruncate(file.get(), 1 << 20) != 0) return 10;
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", "/dev", "tmpfs", 0, "mode=0755") != 0 ||
        ::mknod("/dev/loop-control", S_IFCHR | 0600,
                ::makedev(kLoopControlMajor, kLoopControlMinor)) != 0)
        return 11;
    sys::LoopRequest request{file.get(), "in the making", LO_FLAGS_AUTOCLEAR};
    request.may_sleep = may_sleep;
    sys::LoopPath path;
    const auto begin = std::chrono::steady_clock::now();
    const int result = sys::sys_attach_loop(request, path);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    if (result != -ENOENT) return 12;
    return took.count() >= at_least_ms && took.count() <= at_most_ms ? 0 : 13;
}

int in_a_child(int (*body)()) {
    const int pid = ::fork();
    if (pid == 0) ::_exit(body());
    int status = 0;
    if (::waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return -1;
    return WEXITSTATUS(status);
}

}  // namespace

TEST_CASE("attaching a loop device waits for a node only where it may sleep") {
    CHECK(in_a_child([] { return attach_without_nodes(false, 0, 300); }) == 0);
    CHECK(in_a_child([] { return attach_without_nodes(true, 600, 60000); }) == 0);
}
