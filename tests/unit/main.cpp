// tests: main of those that need nothing.
#include "runner.h"

int main(int argc, char** argv) { return run_tests(argc, argv); }
