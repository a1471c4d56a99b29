// tests: device rules of an OCI bundle as tables of (rules, access, verdict).
#include "policy/oci_devices.h"

#include <catch2/catch.hpp>

using namespace pmos;
using namespace pmos::policy;
using oci::compile_devices;

namespace {

using ListedRule = oci::DeviceRule;
constexpr std::uint32_t r = device_read, w = device_write, m = device_mknod;
constexpr auto kChar = image::NodeType::character;
constexpr auto kBlock = image::NodeType::block;

// "rwm" as configurations have it.
ListedRule rule(bool allow, char type, std::optional<std::uint32_t> major,
                std::optional<std::uint32_t> minor, std::string_view access) {
    const auto has = [&](char c) { return access.find(c) != access.npos; };
    return {allow, type, major, minor, has('r'), has('w'), has('m')};
}
const ListedRule kDenyAll = rule(false, 'a', {}, {}, "rwm");
const ListedRule kAllowAll = rule(true, 'a', {}, {}, "rwm");

bool allowed(const std::vector<ListedRule>& rules, image::NodeType type, std::uint32_t major,
             std::uint32_t minor, std::uint32_t access) {
    const auto program = compile_devices(rules);
    REQUIRE(program);
    return evaluate_device(*program, type, major, minor, access);
}

}  // namespace

TEST_CASE("what the specification says is always there is, whatever the rules say") {
    for (const auto& rules :
         {std::vector<ListedRule>{}, {kDenyAll}, {rule(false, 'c', 1, 3, "rwm")}}) {
        for (const std::uint32_t minor : {3U, 5U, 7U, 8U, 9U})
            CHECK(allowed(rules, kChar, 1, minor, r | w));
        for (const std::uint32_t minor : {0U, 1U, 2U})
            CHECK(allowed(rules, kChar, 5, minor, r | w));
        CHECK(allowed(rules, kChar, 136, 4711, r | w));
        CHECK(allowed(rules, kChar, 10, 200, m));
        CHECK(allowed(rules, kBlock, 8, 0, m));
        CHECK_FALSE(allowed(rules, kBlock, 1, 3, r));
        CHECK_FALSE(allowed(rules, kChar, 1, 1, r));   // mem
        CHECK_FALSE(allowed(rules, kChar, 1, 11, w));  // kmsg
        CHECK_FALSE(allowed(rules, kBlock, 8, 0, r));
        CHECK_FALSE(allowed(rules, kBlock, 8, 0, r | m));
    }
}

TEST_CASE("the last rule that names a device and an access decides") {
    const std::vector<ListedRule> rules{kDenyAll,
                                        rule(true, 'c', 10, 200, "rw"),
                                        rule(true, 'b', 8, {}, "r"),
                                        rule(false, 'b', 8, 1, "r"),
                                        rule(true, 'c', {}, 77, "w"),
                                        rule(false, 'c', 10, {}, "w")};
    CHECK(allowed(rules, kChar, 10, 200, r));
    CHECK_FALSE(allowed(rules, kChar, 10, 200, w));
    CHECK_FALSE(allowed(rules, kChar, 10, 200, r | w));
    CHECK(allowed(rules, kBlock, 8, 0, r));
    CHECK(allowed(rules, kBlock, 8, 0, r | m));
    CHECK_FALSE(allowed(rules, kBlock, 8, 1, r));
    CHECK_FALSE(allowed(rules, kBlock, 8, 0, r | w));
    CHECK_FALSE(allowed(rules, kChar, 8, 0, r));
    CHECK(allowed(rules, kChar, 11, 77, w));
    CHECK_FALSE(allowed(rules, kChar, 11, 77, r));
    CHECK_FALSE(allowed(rules, kChar, 10, 77, w));
    // Without a rule before them, what none names is refused as well.
    CHECK_FALSE(allowed({rule(false, 'c', 10, 1, "r")}, kChar, 10, 2, r));
}

TEST_CASE("an access may be put together from several rules") {
    const std::vector<ListedRule> rules{rule(true, 'c', 10, 1, "r"), rule(true, 'a', 10, {}, "w")};
    CHECK(allowed(rules, kChar, 10, 1, r | w));
    CHECK(allowed(rules, kChar, 10, 1, r | w | m));
    CHECK(allowed(rules, kBlock, 10, 1, w));
    CHECK_FALSE(allowed(rules, kBlock, 10, 1, r | w));
}

TEST_CASE("exceptions from everything, and numbers above 2^31") {
    const std::vector<ListedRule> rules{kAllowAll, rule(false, 'b', 4'000'000'000U, {}, "w")};
    CHECK(allowed(rules, kBlock, 4'000'000'000U, 1, r));
    CHECK_FALSE(allowed(rules, kBlock, 4'000'000'000U, 1, w));
    CHECK(allowed(rules, kBlock, 8, 1, r | w | m));
    CHECK(allowed(rules, kChar, 1, 1, r | w));
    // What stands before "all" does not count any more.
    CHECK_FALSE(allowed({kAllowAll, kDenyAll}, kChar, 1, 1, r));
    CHECK(compile_devices(std::vector{kAllowAll, kDenyAll})->size() ==
          compile_devices(std::vector{kDenyAll})->size());
}

TEST_CASE("only a list that surely refuses nothing needs no program") {
    using oci::allows_every_device;
    CHECK(allows_every_device(std::vector{kAllowAll}));
    CHECK(allows_every_device(std::vector{kDenyAll, kAllowAll, rule(true, 'c', 1, 1, "r")}));
    CHECK(allows_every_device(std::vector{kAllowAll, rule(false, 'c', 1, 1, "")}));
    CHECK_FALSE(allows_every_device(std::span<const ListedRule>()));
    CHECK_FALSE(allows_every_device(std::vector{kAllowAll, rule(false, 'c', 1, 1, "r")}));
    CHECK_FALSE(allows_every_device(std::vector{rule(true, 'a', {}, {}, "rw")}));
    CHECK_FALSE(allows_every_device(std::vector{rule(true, 'a', 8, {}, "rwm")}));
    CHECK_FALSE(allows_every_device(std::vector{rule(true, 'c', {}, {}, "rwm")}));
}

TEST_CASE("as many rules as every kernel takes, and not one more") {
    std::vector<ListedRule> rules;
    while (compile_devices(rules) && rules.size() < 5000) {
        const auto number = static_cast<std::uint32_t>(rules.size());
        rules.push_back(rule(number % 2 == 0, 'c', 600 + number, number, "rw"));
    }
    CHECK(rules.size() > 500);
    CHECK(compile_devices(rules).error().code == Code::no_space);
    rules.pop_back();
    CHECK(compile_devices(rules)->size() <= 4096);
    CHECK(allowed(rules, kChar, 600, 0, r | w));
    CHECK_FALSE(allowed(rules, kChar, 601, 1, r));
}
