// tests: what profiles say of notifications and of the screen, by itself, in a plan and against
// each other.
#include <catch2/catch.hpp>

#include "policy/policy_set.h"
#include "policy/profile.h"
#include "policy/separation.h"
#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

constexpr const char* kBus = "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/pmos/notify/bus";

std::string session(const std::string& text) { return R"(, "session": {)" + text + "}"; }

bool has(const std::vector<std::string>& list, const std::string& what) {
    return std::ranges::find(list, what) != list.end();
}

LaunchPlan plan_of(const std::string& extra) {
    const auto mode = read_one(profile_text("alpha", 200000, extra));
    INFO(texts(mode.diagnostics));
    REQUIRE(mode.profile);
    auto compiled = compile(*mode.profile, fixed_facts());
    INFO(texts(compiled.diagnostics));
    REQUIRE(compiled.plan);
    return std::move(*compiled.plan);
}

// All that one mode may hear of the other.
std::string hears(const std::string& first, const std::string& second) {
    const std::vector<SourceFile> files{{"a.json", profile_text("alpha", 200000, first)},
                                        {"b.json", profile_text("beta", 300000, second)}};
    const auto separation = separate(read_policy(files, nullptr, {}).modes, whole_phone(), nullptr);
    std::string out;
    for (const auto& flow : separation.flows) {
        const Access& at = separation.access(flow.to);
        if (at.kind != Resource::notifications) continue;
        out += (out.empty() ? "" : ", ") + separation.modes[flow.from.mode].mode + ">" +
               separation.modes[flow.to.mode].mode + " " + at.resource + " " +
               std::string(flow.control == Control::arbitrated ? "arbitrated" : "open");
    }
    return out;
}

}  // namespace

TEST_CASE("rights to notifications and to the screen are in the plan, with a session bus") {
    const auto check = [](const LaunchPlan& plan) {
        CHECK(plan.session.notifications == Notifications::full);
        CHECK(plan.session.idle_inhibit);
        const auto place = std::ranges::find_if(plan.mounts, is_brokers);
        REQUIRE(place != plan.mounts.end());
        CHECK(place->source == "/run/pmos/notify/modes/alpha");
        CHECK(place->target == "/run/pmos/notify");
        CHECK(has(plan.process.env, kBus));
    };
    const auto plan = plan_of(session(R"("notifications": "full", "idleInhibit": "foreground")"));
    check(plan);
    const auto again = decode(encode(plan));
    REQUIRE(again);
    check(*again);
}

TEST_CASE("either right alone is enough for a session bus, and without one there is none") {
    for (const char* right : {R"("notifications": "none")", R"("idleInhibit": "foreground")"}) {
        const auto plan = plan_of(session(right));
        CHECK(has(plan.process.env, kBus));
        CHECK(std::ranges::count_if(plan.mounts, is_brokers) == 1);
    }
    for (const auto& without :
         {std::string(), session(R"("notifications": "off", "idleInhibit": "never")")}) {
        const auto plan = plan_of(without);
        CHECK_FALSE(plan.session.has_session_bus());
        CHECK_FALSE(has(plan.process.env, kBus));
        CHECK(std::ranges::none_of(plan.mounts, is_brokers));
    }
}

TEST_CASE("a profile that knows its session bus better is believed") {
    auto text = profile_text("alpha", 200000, session(R"("notifications": "count")"));
    text.insert(text.find("\"args\""),
                R"("env": ["DBUS_SESSION_BUS_ADDRESS=unix:path=/run/mine"], )");
    const auto mode = read_one(text);
    REQUIRE(mode.profile);
    CHECK_FALSE(has(mode.profile->process.env, kBus));
}

TEST_CASE("nothing else can stand where a mode finds its session bus") {
    const auto mode = read_one(profile_text(
        "alpha", 200000, R"(, "mounts": [{"type": "tmpfs", "target": "/run/pmos/notify"}])"));
    CHECK(texts(mode.diagnostics).contains("duplicate-target"));
}

TEST_CASE("what a mode tells of its notifications flows to those that have any") {
    const auto tells = [](const char* word) {
        return session(std::string(R"("notifications": ")") + word + "\"");
    };
    CHECK(hears(tells("none"), tells("none")).empty());
    CHECK(hears(tells("full"), "").empty());
    CHECK(hears(tells("count"), tells("none")) == "alpha>beta count arbitrated");
    CHECK(hears(tells("full"), tells("count")) ==
          "alpha>beta count arbitrated, alpha>beta text arbitrated, beta>alpha count arbitrated");
}

TEST_CASE("the phone's owner says what may be told at most") {
    const std::string site =
        R"({"pmos": 1, "require": [{"notifications": ["off", "none", "count"]}]})";
    const auto judge = [&](const std::string& extra) {
        return texts(read_one(profile_text("alpha", 200000, extra), {}, site).diagnostics);
    };
    CHECK_FALSE(judge("").contains("site-policy"));
    CHECK_FALSE(judge(session(R"("notifications": "count")")).contains("site-policy"));
    CHECK(judge(session(R"("notifications": "full")")).contains("refuses notifications 'full'"));
}
