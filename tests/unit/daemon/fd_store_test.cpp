// tests: the names by which descriptors outlive a pmosd.
#include "runtime/daemon/fd_store.h"

#include <catch2/catch.hpp>

using namespace pmos::daemon;

TEST_CASE("a listener's name is its own and tells the mode") {
    const auto one = listener_name("secure"), two = listener_name("secure");
    CHECK(one != two);
    CHECK(mode_of_listener(one) == "secure");
    CHECK(one.find(':') == std::string::npos);  // systemd takes it for the end
    CHECK(one.size() < 255);
}

TEST_CASE("what was kept for another purpose is no listener") {
    for (const char* name : {"", "stored", "listener", "listener/", "listener//1", "secure/1",
                             "listener/../x", "listener/UPPER/1"})
        CHECK(mode_of_listener(name).empty());
}
