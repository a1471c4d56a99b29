// tests: Catch2 main of the daemon tests.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
