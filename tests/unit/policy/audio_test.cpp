// tests: what profiles say of sound, by itself, in a plan and against each other.
#include <catch2/catch.hpp>

#include "policy/lint.h"
#include "policy/policy_set.h"
#include "policy/profile.h"
#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

ModePolicy one(const std::string& extra) { return read_one(profile_text("alpha", 200000, extra)); }

bool has(const std::vector<std::string>& list, const std::string& what) {
    return std::ranges::find(list, what) != list.end();
}

}  // namespace

TEST_CASE("rights to sound are in the plan, and the broker's place in the mode") {
    const auto mode = one(R"(, "devices": {"audio": {"playback": "background",
        "capture": "foreground"}}, "audio": {"whenTaken": "error"})");
    INFO(texts(mode.diagnostics));
    REQUIRE(mode.profile);
    const auto compiled = compile(*mode.profile, fixed_facts());
    INFO(texts(compiled.diagnostics));
    REQUIRE(compiled.plan);
    CHECK(compiled.diagnostics.empty());
    const auto check = [](const LaunchPlan& plan) {
        CHECK(plan.audio.playback == Presence::background);
        CHECK(plan.audio.capture == Presence::foreground);
        CHECK(plan.audio.when_taken == WhenTaken::error);
        const auto place = std::ranges::find_if(plan.mounts, is_brokers);
        REQUIRE(place != plan.mounts.end());
        CHECK(place->source == "/run/pmos/audio/modes/alpha");
        CHECK(place->target == "/run/pmos/audio");
        CHECK(has(plan.process.env, "PIPEWIRE_RUNTIME_DIR=/run/pmos/audio"));
        // No device of the phone's.
        CHECK(std::ranges::find(plan.device_nodes, "audio", &DeviceNode::device_class) ==
              plan.device_nodes.end());
    };
    check(*compiled.plan);
    const auto again = decode(encode(*compiled.plan));
    REQUIRE(again);
    check(*again);
}

TEST_CASE("a mode without sound has no broker's place and no variable") {
    for (const char* extra : {"", R"(, "devices": {"audio": "none"})",
                              R"(, "devices": {"audio": {"playback": "none"}})"}) {
        const auto compiled = compile(*one(extra).profile, fixed_facts());
        REQUIRE(compiled.plan);
        CHECK(std::ranges::none_of(compiled.plan->mounts, is_brokers));
        CHECK_FALSE(has(compiled.plan->process.env, "PIPEWIRE_RUNTIME_DIR=/run/pmos/audio"));
        CHECK_FALSE(compiled.plan->audio.any());
    }
}

TEST_CASE("what becomes of sound that is never taken is no question") {
    for (const char* extra : {R"(, "audio": {"whenTaken": "error"})",
                              R"(, "devices": {"audio": {"playback": "background"}},
                                 "audio": {"whenTaken": "error"})"}) {
        const auto mode = one(extra);
        CHECK(find_rule(mode.diagnostics, "contradiction").at.pointer == "/audio/whenTaken");
    }
}

TEST_CASE("what is not said of sound is silence and nothing") {
    const auto compiled = compile(
        *one(R"(, "devices": {"audio": {"playback": "foreground"}})").profile, fixed_facts());
    REQUIRE(compiled.plan);
    CHECK(compiled.plan->audio.capture == Presence::none);
    CHECK(compiled.plan->audio.when_taken == WhenTaken::silence);
}

TEST_CASE("a profile that knows its sound server better is believed") {
    const auto mode = one(R"(, "devices": {"audio": {"playback": "foreground"}})");
    auto text =
        profile_text("alpha", 200000, R"(, "devices": {"audio": {"playback": "foreground"}})");
    const auto at = text.find("\"args\"");
    REQUIRE(at != std::string::npos);
    text.insert(at, R"("env": ["PIPEWIRE_RUNTIME_DIR=/run/mine"], )");
    const auto own = read_one(text);
    INFO(texts(own.diagnostics));
    REQUIRE(own.profile);
    const auto compiled = compile(*own.profile, fixed_facts());
    REQUIRE(compiled.plan);
    CHECK(has(compiled.plan->process.env, "PIPEWIRE_RUNTIME_DIR=/run/mine"));
    CHECK_FALSE(has(compiled.plan->process.env, "PIPEWIRE_RUNTIME_DIR=/run/pmos/audio"));
}

TEST_CASE("nothing else can stand where a mode finds its sound server") {
    const auto mode = one(R"(, "mounts": [{"type": "tmpfs", "target": "/run/pmos/audio"}])");
    CHECK(texts(mode.diagnostics).contains("duplicate-target"));
}

TEST_CASE("who hears what is said in another mode is not arbitrated") {
    const auto why = [](const std::string& extra) {
        const auto mode = one(extra);
        REQUIRE(mode.profile);
        return unarbitrated(*mode.profile, "audio");
    };
    const std::string behind = R"(, "devices": {"audio": {"capture": "background"}})";
    CHECK(why(behind + R"(, "session": {"background": "run"})") ==
          "the mode hears what is said in another");
    // One that stands still behind another hears nothing, unless it has a call.
    CHECK(why(behind).empty());
    CHECK_FALSE(
        why(R"(, "devices": {"audio": {"capture": "background"}, "modem": ["voice"]})").empty());
    CHECK(why(R"(, "devices": {"audio": {"playback": "background", "capture": "foreground"}},
        "session": {"background": "run"})")
              .empty());
}
