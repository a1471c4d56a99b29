// tests: nobody gets more of pmosd's time than his share.
#include "runtime/daemon/time_share.h"

#include <catch2/catch.hpp>

using pmos::daemon::TimeShare;
using namespace std::chrono_literals;

namespace {

constexpr TimeShare::Clock::time_point kBegin{1h};

// How much of a second turns of that length get that come as fast as they may.
TimeShare::Clock::duration used_in_a_second(TimeShare::Clock::duration turn) {
    TimeShare share;
    TimeShare::Clock::duration used{};
    for (auto now = kBegin; now < kBegin + 1s;) {
        const auto wait = share.wait(now);
        if (wait == 0ms) {
            share.used(turn);
            used += turn;
        }
        now += wait == 0ms ? turn : wait;
    }
    return used;
}

}  // namespace

TEST_CASE("who is quick never waits") {
    TimeShare share;
    for (auto now = kBegin; now < kBegin + 1s; now += 10ms) {
        CHECK(share.wait(now) == 0ms);
        share.used(1ms);
    }
}

TEST_CASE("who comes without end gets an eighth, and the last turn that began in it") {
    CHECK(used_in_a_second(100us) == 125ms);
    CHECK(used_in_a_second(10ms) == 200ms);
}

TEST_CASE("the wait ends with the window") {
    TimeShare share;
    CHECK(share.wait(kBegin) == 0ms);
    share.used(30ms);
    CHECK(share.wait(kBegin + 30ms) == 70ms);
    CHECK(share.wait(kBegin + 99ms) == 1ms);
    CHECK(share.wait(kBegin + 100ms) == 0ms);
    share.used(12ms);
    CHECK(share.wait(kBegin + 112ms) == 0ms);
}
