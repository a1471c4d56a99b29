// tests: what profiles say of the panel, by itself, in a plan and against each other.
#include <catch2/catch.hpp>

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

TEST_CASE("a mode with a display has a place for its socket, and a name and a colour") {
    const auto mode = one(R"(, "devices": {"display": "foreground", "input": "foreground"},
        "display": {"title": "工作", "color": "#b71c1c", "protocols": ["wp_viewporter"]})");
    INFO(texts(mode.diagnostics));
    REQUIRE(mode.profile);
    const auto compiled = compile(*mode.profile, fixed_facts());
    INFO(texts(compiled.diagnostics));
    REQUIRE(compiled.plan);
    const auto check = [](const LaunchPlan& plan) {
        CHECK(plan.display.shown);
        CHECK(plan.display.input);
        CHECK(plan.display.title == "工作");
        CHECK(plan.display.color == 0xb71c1c);
        CHECK(plan.display.protocols == std::vector<std::string>{"wp_viewporter"});
        const auto place = std::ranges::find_if(plan.mounts, is_brokers);
        REQUIRE(place != plan.mounts.end());
        CHECK(place->source == "/run/pmos/panel/modes/alpha");
        CHECK(place->target == "/run/pmos/panel");
        CHECK(has(plan.process.env, "WAYLAND_DISPLAY=/run/pmos/panel/wayland-0"));
    };
    check(*compiled.plan);
    const auto again = decode(encode(*compiled.plan));
    REQUIRE(again);
    check(*again);
}

TEST_CASE("a display that says nothing of itself has the mode's name and the usual protocols") {
    const auto mode = one(R"(, "devices": {"display": "foreground"})");
    REQUIRE(mode.profile);
    const auto& display = mode.profile->display;
    CHECK(display.title == "alpha");
    CHECK(display.color == 0x455a64);
    CHECK_FALSE(display.input);
    CHECK(has(display.protocols, "wl_data_device_manager"));
    CHECK_FALSE(has(display.protocols, "zwp_linux_dmabuf_v1"));
}

TEST_CASE("what says of a display what cannot be is refused where it stands") {
    const std::pair<const char*, const char*> cases[] = {
        {R"(, "devices": {"input": "foreground"})", "/devices/input"},
        {R"(, "display": {"title": "A"})", "/display"},
        {R"(, "devices": {"display": "foreground"},
            "display": {"protocols": ["zwp_linux_dmabuf_v1"]})",
         "/display/protocols"}};
    for (const auto& [extra, pointer] : cases) {
        INFO(extra);
        CHECK(find_rule(one(extra).diagnostics, "contradiction").at.pointer == pointer);
    }
}

TEST_CASE("titles and colours that could deceive are none") {
    for (const char* bad :
         {R"("title": "")", R"("title": "a\nb")", R"("title": "a\u202eb")",
          R"("title": "aaaaaaaaaaaaaaaaaaaaaaaaa")", R"("color": "red")", R"("color": "#B71C1C")",
          R"("color": "#b71c1")", R"("protocols": ["zwlr_screencopy_manager_v1"])"}) {
        INFO(bad);
        const auto mode =
            one(std::string(R"(, "devices": {"display": "foreground"}, "display": {)") + bad + "}");
        CHECK_FALSE(mode.profile);
        CHECK_FALSE(mode.diagnostics.empty());
    }
}
