// tests: what a mode is refused a million times is told a few times, and counted.
#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "runtime/network/refused_tally.h"

using namespace pmos::network;

namespace {

Refusal refused(const std::string& destination, bool inbound = false, std::uint32_t uid = 1) {
    Refusal made;
    made.destination = destination;
    made.inbound = inbound;
    made.uid = uid;
    made.reason = "denied";
    return made;
}

}  // namespace

TEST_CASE("the first of a kind is told at once, the others as a number") {
    RefusedTally tally;
    CHECK(tally.empty());
    CHECK(tally.add(refused("a")));
    CHECK(tally.add(refused("a", true)));
    CHECK(tally.add(refused("a", false, 2)));
    std::size_t more = 0;
    for (int i = 0; i < 1000000; ++i) more += tally.add(refused("a")) ? 1 : 0;
    CHECK(more == 0);
    auto told = tally.turn();
    REQUIRE(told.size() == 1);
    CHECK((told[0].destination == "a" && told[0].times == 1000000));
    // The others are forgotten, and so is this after ten seconds without.
    CHECK(tally.add(refused("a", true)));
    CHECK_FALSE(tally.add(refused("a")));
    CHECK(tally.turn().size() == 1);
    CHECK(tally.turn().empty());
    CHECK(tally.empty());
    CHECK(tally.add(refused("a")));
}

TEST_CASE("of more kinds than are kept there is their number") {
    RefusedTally tally;
    std::size_t told = 0;
    for (int i = 0; i < 100000; ++i)
        if (tally.add(refused(fmt::format("{}", i)))) ++told;
    CHECK(told == RefusedTally::kMost);
    tally.miss();
    const auto turn = tally.turn();
    REQUIRE(turn.size() == 1);
    CHECK(turn[0].reason == kUntold);
    CHECK(turn[0].times == 100000 - RefusedTally::kMost + 1);
    CHECK(tally.empty());
}
