// tests: the mark of a volume whose header is elsewhere.
#include "runtime/volume/apart.h"

#include <stdlib.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>

using namespace pmos;
using namespace pmos::volume;

TEST_CASE("a device tells by its mark that its header is elsewhere") {
    std::string path = "/tmp/pmos-apart-XXXXXX";
    const UniqueFd file(::mkstemp(path.data()));
    REQUIRE(file);
    CHECK_FALSE(is_marked_apart(path));  // too short to be a device
    REQUIRE(::ftruncate(file.get(), 4096) == 0);
    auto marked = is_marked_apart(path);
    REQUIRE(marked);
    CHECK_FALSE(*marked);
    REQUIRE(mark_apart(file.borrow()));
    marked = is_marked_apart(path);
    CHECK((marked && *marked));
    REQUIRE(unmark_apart(file.borrow()));
    marked = is_marked_apart(path);
    CHECK((marked && !*marked));
    ::unlink(path.c_str());
}
