// volume: the log in a volume's private part, as bytes.
#include "runtime/volume/private_part.h"

#include <catch2/catch.hpp>

using pmos::volume::kLogSize;
using pmos::volume::lines_of;
using pmos::volume::with_lines;

TEST_CASE("a log keeps its size and gives its lines back", "[private]") {
    const std::string empty = with_lines("", "");
    CHECK(empty.size() == kLogSize);
    CHECK(lines_of(empty).empty());
    const std::string two = with_lines(with_lines(empty, "one\n"), "two\n");
    CHECK(two.size() == kLogSize);
    CHECK(lines_of(two) == "one\ntwo\n");
}

TEST_CASE("a full log loses its older half, in whole lines", "[private]") {
    const std::string line(99, 'x');
    std::string many;
    std::size_t n = 0;
    while (many.size() + 100 <= kLogSize)
        many += std::to_string(1000000 + n++) + line.substr(7) + "\n";
    const std::string full = with_lines("", many);
    CHECK(lines_of(full) == many);
    const std::string after = with_lines(full, "the newest " + line + "\n");
    const std::string_view lines = lines_of(after);
    CHECK(after.size() == kLogSize);
    CHECK(lines.size() <= kLogSize / 2);
    CHECK(lines.size() > kLogSize / 2 - 200);
    CHECK(lines.ends_with("\nthe newest " + line + "\n"));
    CHECK(many.find("\n" + std::string(lines.substr(0, 100))) != std::string::npos);
    // There is room again.
    CHECK(lines_of(with_lines(after, "more\n")) == std::string(lines) + "more\n");
}

TEST_CASE("what has no end of a line at all is not kept for ever", "[private]") {
    const std::string full = with_lines("", std::string(kLogSize, 'x'));
    CHECK(lines_of(full).size() == kLogSize);
    CHECK(lines_of(with_lines(full, "y\n")) == "");
}

TEST_CASE("a file that is short or foreign is a log that begins there", "[private]") {
    CHECK(lines_of(with_lines("cut", "\n")) == "cut\n");
    CHECK(lines_of(with_lines(std::string("a\n\0b", 4), "c\n")) == "a\nc\n");
}
