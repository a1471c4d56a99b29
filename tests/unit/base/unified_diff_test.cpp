// tests: unified diffs, as patch(1) reads them.
#include "base/unified_diff.h"

#include <catch2/catch.hpp>

using pmos::unified_diff;

namespace {

std::string numbers(int from, int to) {
    std::string text;
    for (int i = from; i <= to; ++i) text += std::to_string(i) + "\n";
    return text;
}

}  // namespace

TEST_CASE("equal texts have no difference") {
    CHECK(unified_diff("x", "a\nb\n", "a\nb\n").empty());
    CHECK(unified_diff("x", "", "").empty());
}

TEST_CASE("a change has three lines of context, and far ones are hunks of their own") {
    CHECK(unified_diff("x", numbers(1, 9), numbers(1, 4) + "new\n" + numbers(5, 9)) ==
          "--- a/x\n+++ b/x\n@@ -2,6 +2,7 @@\n 2\n 3\n 4\n+new\n 5\n 6\n 7\n");
    const std::string before = numbers(1, 20);
    std::string after = "one\n" + numbers(2, 18) + "last\n" + numbers(20, 20);
    CHECK(unified_diff("x", before, after) ==
          "--- a/x\n+++ b/x\n@@ -1,4 +1,4 @@\n-1\n+one\n 2\n 3\n 4\n"
          "@@ -16,5 +16,5 @@\n 16\n 17\n 18\n-19\n+last\n 20\n");
    // Six lines between two changes keep them together.
    after = "one\n" + numbers(2, 7) + "eight\n" + numbers(9, 20);
    CHECK(unified_diff("x", before, after).find("@@ -1,11 +1,11 @@") != std::string::npos);
}

TEST_CASE("an empty side and a last line without its line feed are said") {
    CHECK(unified_diff("x", "", "a\n") == "--- a/x\n+++ b/x\n@@ -0,0 +1 @@\n+a\n");
    CHECK(unified_diff("x", "a\n", "") == "--- a/x\n+++ b/x\n@@ -1 +0,0 @@\n-a\n");
    CHECK(unified_diff("x", "a\nb", "a\nc") ==
          "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n"
          "\\ No newline at end of file\n");
}
