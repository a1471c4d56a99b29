// tests: how long the volume worker waits for others to let go of a device.
#include "runtime/volume/patience.h"

#include <catch2/catch.hpp>

namespace pmos::volume {

struct PatienceTest {
    Patience patience{"/nowhere/queue"};
    bool at(std::chrono::seconds since_begin, bool udev_at_work) {
        return patience.may_wait(patience.begin_ + since_begin, udev_at_work);
    }
};

}  // namespace pmos::volume

using namespace pmos::volume;
using namespace std::chrono_literals;

TEST_CASE("without udev at work the grace is all there is") {
    PatienceTest t;
    CHECK(t.at(0s, false));
    CHECK(t.at(4s, false));
    CHECK_FALSE(t.at(5s, false));
}

TEST_CASE("udev is waited for as long as it works, and the grace begins behind it") {
    PatienceTest t;
    for (auto now = 0s; now < 100s; now += 2s) CHECK(t.at(now, true));
    CHECK(t.at(102s, false));
    CHECK_FALSE(t.at(104s, false));
}

TEST_CASE("udev that never ends is not waited for for ever") {
    PatienceTest t;
    for (auto now = 0s; now < 180s; now += 2s) CHECK(t.at(now, true));
    CHECK_FALSE(t.at(186s, true));
}
