// tests: Catch2's entry point for the policy tests.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
