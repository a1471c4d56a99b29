// tests: reading a growing file by position.
#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "cli/tail.h"

using namespace pmos;
using namespace pmos::cli;

namespace {

UniqueFd file_with(const std::string& text) {
    UniqueFd fd(::memfd_create("log", MFD_CLOEXEC));
    REQUIRE(::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    return fd;
}

std::string last(const std::string& text, std::uint64_t n) {
    const auto fd = file_with(text);
    Tail tail(fd.borrow());
    REQUIRE(tail.seek_last_lines(n));
    return *tail.next();
}

}  // namespace

TEST_CASE("the last lines, with and without a line feed at the end") {
    CHECK(last("a\nb\nc\n", 1) == "c\n");
    CHECK(last("a\nb\nc\n", 2) == "b\nc\n");
    CHECK(last("a\nb\nc", 1) == "c");
    CHECK(last("a\nb\nc\n", 3) == "a\nb\nc\n");
    CHECK(last("a\nb\nc\n", 99) == "a\nb\nc\n");
    CHECK(last("", 3).empty());
    CHECK(last("\n\n\n", 2) == "\n\n");
}

TEST_CASE("the last lines of a file of many blocks") {
    std::string text;
    for (int i = 0; i < 40000; ++i) text += "line " + std::to_string(i) + "\n";
    CHECK(last(text, 1) == "line 39999\n");
    const auto twelve_thousand = last(text, 12000);
    CHECK(twelve_thousand.starts_with("line 28000\n"));
}

TEST_CASE("growth is read, and a file that was cut begins anew") {
    const auto fd = file_with("one\n");
    Tail tail(fd.borrow());
    CHECK(*tail.next() == "one\n");
    CHECK(tail.next()->empty());
    REQUIRE(::write(fd.get(), "two\n", 4) == 4);
    CHECK(*tail.next() == "two\n");
    REQUIRE(::ftruncate(fd.get(), 0) == 0);
    REQUIRE(::pwrite(fd.get(), "new\n", 4, 0) == 4);
    CHECK(*tail.next() == "new\n");
}
