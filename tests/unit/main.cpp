// tests: Catch2's main, compiled once and shared by the unit tests of every room.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
