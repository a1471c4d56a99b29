// tests: main of those that need a cgroup v2 tree and root. Skips, saying why, where there is
// none.
#include <mntent.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "cgroup_tree.h"
#include "runner.h"

namespace {

std::string find_cgroup2() {
    const std::unique_ptr<FILE, int (*)(FILE*)> mounts(::setmntent("/proc/self/mounts", "r"),
                                                       &::endmntent);
    while (const mntent* m = mounts ? ::getmntent(mounts.get()) : nullptr)
        if (std::string(m->mnt_type) == "cgroup2") return m->mnt_dir;
    return {};
}

std::string tree, not_run;

}  // namespace

const std::string& test_cgroup_tree() { return tree; }

std::string& test_not_run() { return not_run; }

int main(int argc, char** argv) {
    const std::string mount = find_cgroup2();
    if (mount.empty() || ::geteuid() != 0) {
        std::puts(mount.empty() ? "skipped: no cgroup v2 is mounted" : "skipped: needs root");
        return 77;
    }
    tree = mount + "/pmos-test-XXXXXX";
    if (::mkdtemp(tree.data()) == nullptr) {
        std::printf("skipped: cannot make a cgroup below %s\n", mount.c_str());
        return 77;
    }
    const int result = run_tests(argc, argv);
    if (::rmdir(tree.c_str()) != 0) {
        std::puts("the tests left a cgroup behind");
        return 1;
    }
    if (result != 0 || not_run.empty()) return result;
    std::printf("skipped: %s\n", not_run.c_str());
    return 77;
}
