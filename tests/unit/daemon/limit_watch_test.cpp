// tests: what the counters of a cgroup say of the limits that were met.
#include "runtime/daemon/limit_watch.h"

#include <catch2/catch.hpp>

using namespace pmos::daemon;
using pmos::policy::LimitEvent;

namespace {

constexpr auto kMemory = "memory.events.local";

// "high max oom oom_kill" as the kernel writes them.
std::string memory(int high, int max, int oom, int kill) {
    const auto line = [](const char* key, int n) {
        return std::string(key) + " " + std::to_string(n) + "\n";
    };
    return line("low", 7) + line("high", high) + line("max", max) + line("oom", oom) +
           line("oom_kill", kill) + line("oom_group_kill", 9);
}

std::string words(const std::vector<LimitMet>& met) {
    std::string text;
    for (const auto& one : met)
        text += std::to_string(static_cast<int>(one.event)) + "x" + std::to_string(one.times) + " ";
    return text;
}
std::string word(LimitEvent event, int times) {
    return std::to_string(static_cast<int>(event)) + "x" + std::to_string(times) + " ";
}

}  // namespace

TEST_CASE("what has grown since the last look is told") {
    LimitCounters counters;
    CHECK(counters.take(kMemory, memory(0, 0, 0, 0)).empty());
    CHECK(words(counters.take(kMemory, memory(2, 5, 0, 0))) ==
          word(LimitEvent::memory_high, 2) + word(LimitEvent::memory_max, 5));
    CHECK(counters.take(kMemory, memory(2, 5, 0, 0)).empty());
    CHECK(words(counters.take("pids.events", "max 3\n")) == word(LimitEvent::pids_max, 3));
    CHECK(words(counters.take("pids.events", "max 4\n")) == word(LimitEvent::pids_max, 1));
    CHECK(words(counters.take("memory.swap.events", "high 0\nmax 1\nfail 6\n")) ==
          word(LimitEvent::swap_max, 1));
}

TEST_CASE("a kill is put down to the mode's limit only when that was met") {
    LimitCounters counters;
    const auto met = [&](int oom, int kill) {
        const auto text = memory(0, 0, oom, kill);
        return words(counters.take(kMemory, text, text));
    };
    CHECK(met(1, 1) == word(LimitEvent::memory_out, 1) + word(LimitEvent::memory_kill, 1));
    // The one is read before the other has happened.
    CHECK(met(2, 1) == word(LimitEvent::memory_out, 1));
    CHECK(met(2, 2) == word(LimitEvent::memory_kill, 1));
    // Nothing of the mode's own ran out.
    CHECK(met(2, 3) == word(LimitEvent::phone_memory_kill, 1));
}

TEST_CASE("a kill in a cgroup that the mode has made is told by whose limit was met") {
    LimitCounters counters;
    const auto met = [&](int oom, int oom_below, int kill_below) {
        return words(
            counters.take(kMemory, memory(0, 0, oom, 0), memory(0, 0, oom_below, kill_below)));
    };
    CHECK(met(1, 1, 1) == word(LimitEvent::memory_out, 1) + word(LimitEvent::memory_kill, 1));
    CHECK(met(1, 2, 2).empty());  // its own limit: nothing that the profile says
    CHECK(met(1, 2, 3) == word(LimitEvent::phone_memory_kill, 1));
    CHECK(met(1, 3, 3).empty());
    CHECK(met(2, 4, 4) == word(LimitEvent::memory_out, 1) + word(LimitEvent::memory_kill, 1));
}

TEST_CASE("what is no counter counts nothing") {
    LimitCounters counters;
    CHECK(counters.take(kMemory, "").empty());
    CHECK(counters.take(kMemory, "max\nmax \nmaximum 7\nhigh x\noom_kill_disable 1").empty());
    CHECK(counters.take("pids.events", "max -1").empty());
}
