// tests: what profiles say of calls and messages, by itself, in a plan and against each other.
#include <catch2/catch.hpp>

#include "policy/policy_set.h"
#include "policy/profile.h"
#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

ModePolicy one(const std::string& extra) { return read_one(profile_text("alpha", 200000, extra)); }

PolicySet two(const std::string& a, const std::string& b, const std::string& site = "") {
    const std::vector<SourceFile> files{{"a.json", profile_text("alpha", 200000, a)},
                                        {"b.json", profile_text("beta", 300000, b)}};
    const SourceFile site_file{"site.json", site};
    return read_policy(files, site.empty() ? nullptr : &site_file, Files{});
}

constexpr const char* kBoth = R"(, "devices": {"modem": ["sms", "voice"]})";

}  // namespace

TEST_CASE("rights to the modem are in the plan, and the broker's place in the mode") {
    const auto mode = one(std::string(kBoth) + R"(, "modem": {"numbers": ["+4930*", "110"],
        "lines": ["+4915112345678", "usb-1"], "rest": true})");
    INFO(texts(mode.diagnostics));
    REQUIRE(mode.profile);
    CHECK(mode.profile->modem.numbers == std::vector<std::string>{"+4930*", "110"});
    CHECK(mode.profile->modem.lines == std::vector<std::string>{"+4915112345678", "usb-1"});
    CHECK(mode.profile->modem.rest);
    const auto compiled = compile(*mode.profile, fixed_facts());
    INFO(texts(compiled.diagnostics));
    REQUIRE(compiled.plan);
    CHECK(compiled.diagnostics.empty());
    CHECK((compiled.plan->modem.sms && compiled.plan->modem.voice));
    const auto place = std::ranges::find_if(compiled.plan->mounts, is_brokers);
    REQUIRE(place != compiled.plan->mounts.end());
    CHECK(place->source == "/run/pmos/modem/modes/alpha");
    CHECK_FALSE(place->idmapped);
    // No device of the phone's: the port stays shut.
    CHECK(std::ranges::find(compiled.plan->device_nodes, "modem", &DeviceNode::device_class) ==
          compiled.plan->device_nodes.end());
    const auto again = decode(encode(*compiled.plan));
    REQUIRE(again);
    CHECK((again->modem.sms && again->modem.voice));

    const auto calls = compile(*one(R"(, "devices": {"modem": ["voice"]})").profile, fixed_facts());
    REQUIRE(calls.plan);
    CHECK((!calls.plan->modem.sms && calls.plan->modem.voice));
    const auto help =
        compile(*one(R"(, "devices": {"modem": ["emergency"]})").profile, fixed_facts());
    REQUIRE(help.plan);
    CHECK((help.plan->modem.emergency && !help.plan->modem.receives()));
    CHECK(std::ranges::any_of(help.plan->mounts, is_brokers));
    CHECK(decode(encode(*help.plan))->modem.emergency);
    const auto data = one(
        R"(, "devices": {"modem": ["data"]}, "modem": {"accessPoints": ["intern.example", "b"]})");
    INFO(texts(data.diagnostics));
    REQUIRE(data.profile);
    CHECK(data.profile->modem.access_points == std::vector<std::string>{"intern.example", "b"});
    const auto connects = compile(*data.profile, fixed_facts());
    REQUIRE(connects.plan);
    CHECK((connects.plan->modem.data && !connects.plan->modem.receives()));
    CHECK(std::ranges::any_of(connects.plan->mounts, is_brokers));
    CHECK(decode(encode(*connects.plan))->modem.data);
    const auto none = compile(*one("").profile, fixed_facts());
    CHECK(std::ranges::none_of(none.plan->mounts, is_brokers));
}

TEST_CASE("a mode for encrypted calls has of the modem emergency calls and nothing else") {
    const auto read = [](const std::string& extra, const std::string& site = "") {
        const std::vector<SourceFile> files{
            {"a.json",
             profile_text(
                 "alpha", 200000,
                 R"(, "extends": ["blocks/hardened.json", "blocks/encrypted-calls.json"])" +
                     extra)}};
        const SourceFile owner{"site.json", site};
        return read_policy(files, site.empty() ? nullptr : &owner, read_shipped_block).modes.at(0);
    };
    const std::string demand =
        R"({"pmos": 1, "require": [{"devices": {"modem": ["none", "emergency"]}}]})";
    for (const auto& mode : {read(""), read("", demand)}) {
        INFO(texts(mode.diagnostics));
        REQUIRE(mode.profile);
        const auto& rights = mode.profile->modem.rights;
        CHECK((rights.emergency && !rights.receives()));
        CHECK(mode.profile->where("devices/modem").file == "blocks/encrypted-calls.json");
        CHECK(mode.profile->audio.capture == Presence::foreground);
    }
    // A profile can undo its blocks, not what the owner demands.
    CHECK(read(kBoth).profile->modem.rights.voice);
    CHECK_FALSE(read(kBoth, demand).profile);
}

TEST_CASE("claims on calls and messages that cannot be") {
    struct Fault {
        std::string extra, rule, pointer;
    };
    for (const auto& fault : {
             Fault{R"(, "devices": {"modem": "port"})", "bad-value", "/devices/modem"},
             {R"(, "modem": {"rest": true})", "contradiction", "/modem/rest"},
             {R"(, "devices": {"modem": ["emergency"]}, "modem": {"rest": true})", "contradiction",
              "/modem/rest"},
             {R"(, "modem": {"numbers": ["+49 30"]})", "bad-value", "/modem/numbers/0"},
             {R"(, "modem": {"numbers": ["*"]})", "bad-value", "/modem/numbers/0"},
             {R"(, "modem": {"numbers": ["+4*9"]})", "bad-value", "/modem/numbers/0"},
             {R"(, "modem": {"numbers": ["+123456789012345678901"]})", "bad-value",
              "/modem/numbers/0"},
             {R"(, "modem": {"lines": [""]})", "bad-value", "/modem/lines/0"},
             {R"(, "modem": {"lines": ["+49 151"]})", "bad-value", "/modem/lines/0"},
             {R"(, "modem": {"lines": ["1-usb"]})", "bad-value", "/modem/lines/0"},
             {R"(, "devices": {"modem": ["data"]})", "contradiction", "/devices/modem"},
             {R"(, "modem": {"accessPoints": ["Internet"]})", "bad-value", "/modem/accessPoints/0"},
             {R"(, "modem": {"accessPoints": ["a..b"]})", "bad-value", "/modem/accessPoints/0"},
             {R"(, "modem": {"accessPoints": ["."]})", "bad-value", "/modem/accessPoints/0"},
             {R"(, "mounts": [{"type": "tmpfs", "target": "/run/pmos/modem"}])", "duplicate-target",
              "/mounts/0"},
             {std::string(kBoth) +
                  R"(, "mounts": [{"type": "tmpfs", "target": "/run/pmos/modem/bus"}])",
              "duplicate-target", "/mounts/0"},
         }) {
        const auto mode = one(fault.extra);
        INFO(fault.extra << "\n" << texts(mode.diagnostics));
        CHECK_FALSE(mode.profile);
        CHECK(find_rule(mode.diagnostics, fault.rule).at.pointer == fault.pointer);
    }
    // Who claims and has no right: what comes from there is nobody's.
    CHECK(one(R"(, "modem": {"numbers": ["+4930*"], "lines": ["usb-1"]})").profile);
    CHECK(one(R"(, "modem": {"lines": ["+49151", "0049", "modem:1"]})").profile);
}

TEST_CASE("two modes that claim the same disable each other") {
    const std::string numbers = std::string(kBoth) + R"(, "modem": {"numbers": ["+1", "+49*"]})";
    for (const auto& [a, b, at_a, at_b] :
         {std::tuple{numbers, std::string(R"(, "modem": {"numbers": ["+49*"]})"),
                     "/modem/numbers/1", "/modem/numbers/0"},
          {std::string(R"(, "modem": {"lines": ["usb-1"]})"),
           std::string(R"(, "modem": {"lines": ["x", "usb-1"]})"), "/modem/lines/0",
           "/modem/lines/1"},
          {std::string(R"(, "modem": {"accessPoints": ["a", "b"]})"),
           std::string(R"(, "modem": {"accessPoints": ["b"]})"), "/modem/accessPoints/1",
           "/modem/accessPoints/0"},
          {std::string(kBoth) + R"(, "modem": {"rest": true})",
           std::string(kBoth) + R"(, "modem": {"rest": true})", "/modem/rest", "/modem/rest"}}) {
        const auto set = two(a, b);
        const auto &first = find_mode(set, "alpha"), &second = find_mode(set, "beta");
        INFO(texts(first.diagnostics) << texts(second.diagnostics));
        CHECK((!first.profile && first.disputed && !second.profile));
        CHECK(find_rule(first.diagnostics, "claimed-twice").at.pointer == at_a);
        CHECK(find_rule(first.diagnostics, "claimed-twice").related.at(0).pointer == at_b);
        CHECK(find_rule(second.diagnostics, "claimed-twice").at.pointer == at_b);
    }
    // The longer beginning counts: no contradiction.
    const auto set = two(numbers, R"(, "modem": {"numbers": ["+4930*"]})");
    CHECK((find_mode(set, "alpha").profile && find_mode(set, "beta").profile));
}

TEST_CASE("emergency numbers are the owner's") {
    const auto set =
        two("", "", R"({"pmos": 1, "require": [], "emergencyNumbers": ["110", "119"]})");
    CHECK(set.emergency_numbers == std::vector<std::string>{"110", "119"});
    CHECK(find_mode(set, "alpha").profile);
    for (const char* bad : {"1", "1234567", "+49", "11a"}) {
        const auto faulty = two(
            "", "",
            R"({"pmos": 1, "require": [], "emergencyNumbers": [")" + std::string(bad) + R"("]})");
        INFO(bad);
        CHECK(find_rule(faulty.diagnostics, "bad-value").at.pointer == "/emergencyNumbers/0");
        CHECK_FALSE(find_mode(faulty, "alpha").profile);
    }
}
