// tests: main of those that make network namespaces. Skips, saying why, where they cannot.
#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "../runner.h"
#include "world.h"

namespace {
std::string not_run;
}  // namespace

std::string& test_not_run() { return not_run; }

int main(int argc, char** argv) {
    if (::geteuid() != 0) return std::puts("skipped: needs root"), 77;
    // Nothing that the tests do is done to this machine's network.
    if (::unshare(CLONE_NEWNET) != 0)
        return std::printf("skipped: no network namespaces: %s\n", std::strerror(errno)), 77;
    const int result = run_tests(argc, argv);
    if (result != 0 || not_run.empty()) return result;
    return std::printf("skipped: %s\n", not_run.c_str()), 77;
}
