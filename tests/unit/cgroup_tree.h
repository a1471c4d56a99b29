// tests: a cgroup of the test's own; see cgroup_main.cpp.
#pragma once

#include <string>

// Absolute; empty of cgroups when a test begins, and to be left so.
const std::string& test_cgroup_tree();

// What of the tests this kernel could not run. They end as skipped, saying so, unless one fails.
std::string& test_not_run();
