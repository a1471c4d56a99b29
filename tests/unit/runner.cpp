// tests: Catch2 itself, compiled once for the tests of every room.
#define CATCH_CONFIG_RUNNER
#include "runner.h"

#include <catch2/catch.hpp>

int run_tests(int argc, char** argv) { return Catch::Session().run(argc, argv); }
