// tests: whose a call or a message is.
#include "runtime/modem/ownership.h"

#include <catch2/catch.hpp>

namespace {

using namespace pmos::modem;

ModeRights mode(std::string name, std::vector<std::string> numbers = {},
                std::vector<std::string> lines = {}) {
    ModeRights out;
    out.name = std::move(name);
    out.sms = out.voice = true;
    out.numbers = std::move(numbers);
    out.lines = std::move(lines);
    return out;
}

TEST_CASE("a rule is a number or the beginning of one") {
    struct Row {
        const char *rule, *number;
        bool matches;
    };
    for (const auto& [rule, number, matches] :
         {Row{"+15551234", "+15551234", true}, Row{"+15551234", "+155512345", false},
          Row{"+15551234", "15551234", false}, Row{"+1555*", "+15551234", true},
          Row{"+1555*", "+1555", true}, Row{"+1555*", "+1556", false}, Row{"*", "", false},
          Row{"*", "+1", false}, Row{"", "", false}}) {
        INFO(rule << " " << number);
        CHECK((rule_matches(rule, number) != 0) == matches);
    }
    CHECK(rule_matches("+15551234", "+15551234") > rule_matches("+1555123*", "+15551234"));
    CHECK(rule_matches("+1555*", "+15551234") > rule_matches("+1*", "+15551234"));
}

TEST_CASE("numbers as people and networks write them") {
    CHECK(plain_number("+49 (151) 123-45/6.7") == "+491511234567");
    for (const char* good : {"+4915112345678", "112", "*100#", "0301234"}) CHECK(is_dialable(good));
    for (const char* bad : {"", "+", "+49\r", "112;", "1+1", "abc", "123456789012345678901"})
        CHECK_FALSE(is_dialable(bad));
    for (const char* number : {"112", "911", "115"}) CHECK(is_emergency(number, {"115"}));
    for (const char* number : {"", "1125", "+112", "115"}) CHECK_FALSE(is_emergency(number, {}));
}

TEST_CASE("what two claim alike is nobody's") {
    Table table{{mode("anna", {"+1777*", "+15550001"}, {"second"}),
                 mode("berta", {"+1777*"}, {"+19990001"}), mode("carla", {"+17775*"})},
                "carla",
                {}};
    const LineNames line{"second", {"+1 999-0001"}}, other{"first", {}};
    const auto call = [&](const char* number, const LineNames& on) {
        return owner_of(table, Service::voice, number, on);
    };
    CHECK(call("+17771", other).empty());
    CHECK(call("+17775", other) == "carla");  // the longer beginning
    CHECK(call("+15550001", line) == "anna");
    CHECK(call("+16660000", line).empty());
    CHECK(call("+16660000", other) == "carla");
    for (const char* name : {"anna", "berta", "carla"}) CHECK_FALSE(may_use(table, name, line));
}

TEST_CASE("by number, by line, by who is in front, by default, or nobody's") {
    Table table{{mode("anna", {"+15550001", "+1777*"}), mode("berta", {"+17775*"}, {"second"}),
                 mode("carla"), mode("dora")},
                "dora",
                {}};
    const LineNames first{"first", {"+1 999-0001"}}, second{"second", {}};
    const auto call = [&](const char* number, const LineNames& line) {
        return owner_of(table, Service::voice, number, line);
    };
    const auto text = [&](const char* number, const LineNames& line) {
        return owner_of(table, Service::sms, number, line);
    };
    CHECK(call("+1 555-0001", first) == "anna");
    CHECK(text("+15550001", second) == "anna");  // a number before a line
    CHECK(text("+17771", first) == "anna");
    CHECK(text("+177751", first) == "berta");  // the longer rule
    CHECK(call("+1000", second) == "berta");
    CHECK(text("", second) == "berta");
    CHECK(call("+1000", first) == "dora");
    table.modes[2].foreground = true;
    CHECK(call("+1000", first) == "carla");
    CHECK(call("", first) == "carla");
    CHECK(text("+1000", first) == "dora");
    table.modes[2].voice = false;
    CHECK(call("+1000", first) == "dora");
    table.modes[3].voice = table.modes[3].sms = false;
    CHECK(call("+1000", first).empty());
    CHECK(text("+1000", first).empty());
    table.fallback.clear();
    CHECK(text("+1000", first).empty());
}

TEST_CASE("what a mode claims is nobody else's, also where it has not the right") {
    Table table{{mode("anna", {"+1555*"}, {"+19990001"}), mode("berta")}, "berta", {}};
    table.modes[0].voice = false;
    table.modes[1].foreground = true;
    CHECK(owner_of(table, Service::voice, "+1555", {}).empty());
    CHECK(owner_of(table, Service::sms, "+1555", {}) == "anna");
    const LineNames own{"any", {"+1 999 0001"}}, other{"any", {}};
    CHECK(owner_of(table, Service::voice, "+1", own).empty());
    CHECK(may_use(table, "anna", own));
    CHECK_FALSE(may_use(table, "berta", own));
    CHECK(may_use(table, "berta", other));
}

}  // namespace
