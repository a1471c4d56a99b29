// tests: which way of mapping a volume is taken, by what was measured.
#include "runtime/volume/flag_choice.h"

#include <catch2/catch.hpp>

using namespace pmos::volume;

namespace {

// Candidates that took so many times as long as the defaults, each in five like rounds. In the
// order of Work: small reads, large reads, small writes, large writes.
std::vector<Candidate> measured(const Round& inlined, const Round& same_cpu, const Round& submit) {
    auto candidates = flag_candidates();
    candidates[0].rounds.assign(5, {1, 1, 1, 1});
    candidates[1].rounds.assign(5, inlined);
    candidates[2].rounds.assign(5, same_cpu);
    candidates[3].rounds.assign(5, submit);
    return candidates;
}

constexpr Round kSame{1, 1, 1, 1};

}  // namespace

TEST_CASE("flags: what is no faster keeps the defaults") {
    CHECK(choose_flags(measured(kSame, kSame, kSame)) == MapFlags{});
    const Round hardly{0.95, 0.95, 0.95, 0.95};
    CHECK(choose_flags(measured(hardly, hardly, hardly)) == MapFlags{});
}

TEST_CASE("flags: reads and writes are judged apart") {
    MapFlags reads, both;
    reads.inline_reads = both.inline_reads = both.inline_writes = true;
    CHECK(choose_flags(measured({0.5, 0.6, 0.5, 0.6}, kSame, kSame)) == both);
    CHECK(choose_flags(measured({0.5, 0.6, 0.5, 1.2}, kSame, kSame)) == reads);
}

TEST_CASE("flags: faster in one thing and slower in another is not taken") {
    CHECK(choose_flags(measured({0.2, 1.1, 0.2, 1.1}, kSame, kSame)) == MapFlags{});
    CHECK(choose_flags(measured(kSame, {0.2, 0.2, 0.2, 1.1}, kSame)) == MapFlags{});
}

TEST_CASE("flags: of those that change both the best is taken") {
    MapFlags submit;
    submit.submit_from_crypt_cpus = true;
    CHECK(choose_flags(measured(kSame, {0.8, 0.8, 0.8, 0.8}, {0.7, 0.7, 0.7, 0.7})) == submit);
}

TEST_CASE("flags: what wins in some rounds only was luck") {
    auto candidates = measured({0.5, 0.5, 0.5, 0.5}, kSame, kSame);
    for (const std::size_t round : {0U, 1U}) candidates[1].rounds[round] = {1.5, 1.5, 1.5, 1.5};
    CHECK(choose_flags(candidates) == MapFlags{});
}

TEST_CASE("flags: nothing measured keeps the defaults") {
    CHECK(choose_flags(flag_candidates()) == MapFlags{});
}

TEST_CASE("flags: what has lost too many rounds of all is out, and is never chosen") {
    auto candidates = measured(kSame, kSame, kSame);
    for (auto& candidate : candidates) candidate.rounds.clear();
    CHECK(may_win(candidates[0], candidates[2], 5));
    const Round faster{0.5, 0.5, 0.5, 0.5}, slower{1.5, 1.5, 1.5, 1.5}, reads{0.5, 0.5, 1.5, 1.5};
    for (const auto& round : {faster, slower, slower}) {
        CHECK(may_win(candidates[0], candidates[2], 5));
        candidates[0].rounds.push_back(kSame);
        candidates[2].rounds.push_back(round);
    }
    CHECK_FALSE(may_win(candidates[0], candidates[2], 5));
    CHECK(choose_flags(candidates) == MapFlags{});
    // Judged apart: of those one is enough.
    candidates[1].rounds.assign(3, reads);
    CHECK(may_win(candidates[0], candidates[1], 5));
    candidates[1].rounds.assign(3, slower);
    CHECK_FALSE(may_win(candidates[0], candidates[1], 5));
}
