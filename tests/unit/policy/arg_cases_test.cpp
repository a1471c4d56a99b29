// unit test: the arguments by which rules decide, against trying them all.
#include "policy/arg_cases.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <set>

namespace {

using namespace pmos::policy;
using Pair = std::pair<std::size_t, std::size_t>;

std::size_t decider(RuleList rules, const Args& args) {
    SyscallData data;
    std::ranges::copy(args, data.args);
    const auto it =
        std::ranges::find_if(rules, [&](const SyscallRule* rule) { return holds(*rule, data); });
    return static_cast<std::size_t>(it - rules.begin());
}

std::vector<const SyscallRule*> pointers(const std::vector<SyscallRule>& rules) {
    std::vector<const SyscallRule*> out;
    for (const auto& rule : rules) out.push_back(&rule);
    return out;
}

// Each pair comes once, for each is searched for once.
std::set<Pair> solved(RuleList a, RuleList b) {
    std::size_t steps = 1 << 20;
    const auto cases = arg_cases(a, b, steps);
    CHECK(cases.complete);
    std::set<Pair> out;
    for (const auto& args : cases.found)
        CHECK(out.emplace(decider(a, args), decider(b, args)).second);
    return out;
}

std::set<Pair> solved(const std::vector<SyscallRule>& a, const std::vector<SyscallRule>& b) {
    return solved(pointers(a), pointers(b));
}

SyscallRule rule(std::vector<ArgTest> tests) { return {{"x"}, std::move(tests), {}}; }

}  // namespace

TEST_CASE("what trying finds is found", "[arg_cases]") {
    std::mt19937 random(20261127);
    const auto upto = [&](unsigned most) { return static_cast<unsigned>(random() % (most + 1)); };
    for (int round = 0; round < 400; ++round) {
        std::vector<SyscallRule> lists[2];
        for (auto& list : lists)
            for (unsigned n = upto(4); n != 0; --n) {
                std::vector<ArgTest> tests;
                for (unsigned m = upto(3); m != 0; --m)
                    tests.push_back({upto(1), static_cast<Compare>(upto(6)), upto(9), upto(15)});
                list.push_back(rule(std::move(tests)));
            }
        const auto a = pointers(lists[0]), b = pointers(lists[1]);
        const auto found = solved(a, b);
        for (std::uint64_t x = 0; x < 24; ++x)
            for (std::uint64_t y = 0; y < 24; ++y) {
                const Args args{x, y};
                if (!found.contains({decider(a, args), decider(b, args)})) {
                    INFO("round " << round << ", arguments " << x << ", " << y);
                    CHECK(false);
                }
            }
    }
}

TEST_CASE("bits, bounds and both at the ends of a word", "[arg_cases]") {
    const std::uint64_t top = std::uint64_t{1} << 63U;
    const auto one = [](ArgTest a, ArgTest b) { return solved({rule({a, b})}, {}).size(); };
    // One value in between has the bits, or none has.
    CHECK(one({0, Compare::masked_eq, 7, 1}, {0, Compare::gt, UINT64_MAX - 7}) == 2);
    CHECK(one({0, Compare::masked_eq, 7, 1}, {0, Compare::gt, UINT64_MAX - 6}) == 1);
    CHECK(one({0, Compare::masked_eq, top, top}, {0, Compare::lt, top}) == 1);
    CHECK(one({0, Compare::masked_eq, top, top}, {0, Compare::le, top}) == 2);
    CHECK(one({0, Compare::masked_eq, top, 0}, {0, Compare::ge, top}) == 1);
    CHECK(one({0, Compare::lt, 0}, {1, Compare::eq, 0}) == 1);
    CHECK(one({0, Compare::gt, UINT64_MAX}, {1, Compare::eq, 0}) == 1);
    CHECK(one({0, Compare::ne, 0}, {0, Compare::ne, UINT64_MAX}) == 2);
    // Nothing is left where the rules say it all.
    CHECK(solved({rule({{0, Compare::lt, 5}}), rule({{0, Compare::ge, 5}})}, {}).size() == 2);
    CHECK(solved({rule({{0, Compare::masked_eq, top | 1, top}}),
                  rule({{0, Compare::masked_eq, 1, 1}}), rule({{0, Compare::masked_eq, top, 0}})},
                 {})
              .size() == 3);
}

TEST_CASE("many rules do not take long", "[arg_cases]") {
    std::vector<SyscallRule> a, b;
    for (std::uint32_t i = 0; i < 60; ++i) {
        a.push_back(rule({{0, Compare::masked_eq, UINT32_MAX, i}, {1, Compare::ne, i}}));
        b.push_back(rule({{2, Compare::eq, i}}));
    }
    CHECK(solved(a, b).size() == 61 * 61);
}

TEST_CASE("a search that is cut off says so", "[arg_cases]") {
    const std::vector<SyscallRule> some{rule({{0, Compare::eq, 1}})};
    const auto a = pointers(some);
    std::size_t steps = 1;
    CHECK_FALSE(arg_cases(a, {}, steps).complete);
    CHECK(steps == 0);
}
