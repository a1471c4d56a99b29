#pragma once

// All tests of the program, by its arguments; the value is main's.
int run_tests(int argc, char** argv);
