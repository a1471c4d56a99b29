// tests: a cgroup of the test's own; see cgroup_main.cpp.
#pragma once

#include <string>

// Absolute; empty of cgroups when a test begins, and to be left so.
const std::string& test_cgroup_tree();
