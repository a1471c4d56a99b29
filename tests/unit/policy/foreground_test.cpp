// tests: devices that are for the foreground only, in a plan.
#include <catch2/catch.hpp>

#include "policy/device_filter.h"
#include "policy/profile.h"
#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

std::shared_ptr<const Profile> with(const std::string& extra) {
    const auto mode = read_one(profile_text("alpha", 200000, extra));
    REQUIRE(mode.profile);
    return mode.profile;
}

}  // namespace

TEST_CASE(
    "what is for the foreground is taken away in the background, or the mode does not start") {
    using image::NodeType;
    auto facts = fixed_facts();
    facts.devices.push_back({"camera", "capture", "video0", false, 81, 0});
    facts.devices.push_back({"gnss", "", "gnss0", false, 240, 0});
    const auto opens = [](const std::vector<std::uint8_t>& filter, std::uint32_t major) {
        return evaluate_device(device_filter_from_bytes(filter), NodeType::character, major,
                               major == 226 ? 128 : 0, device_read | device_write);
    };
    const auto profile =
        with(R"(, "devices": {"gpu": "render", "camera": "foreground", "gnss": "background"})");
    const auto plan = compile(*profile, facts).plan;
    REQUIRE(plan);
    const auto behind = background_device_filter(*plan);
    for (const std::uint32_t major : {226U, 81U}) {
        CHECK(opens(plan->device_filter, major));
        CHECK_FALSE(opens(behind, major));
    }
    CHECK(opens(plan->device_filter, 240));
    CHECK(opens(behind, 240));
    CHECK(opens(behind, 1) == opens(plan->device_filter, 1));
    const auto again = decode(encode(*plan));
    REQUIRE(again);
    CHECK(background_device_filter(*again) == behind);

    const auto runs =
        with(R"(, "devices": {"camera": "foreground"}, "session": {"background": "run"})");
    const auto refused = compile(*runs, facts);
    CHECK_FALSE(refused.plan.has_value());
    CHECK(find_rule(refused.diagnostics, "unsupported").at.pointer == "/devices/camera");
    facts.device_revocation = true;
    CHECK(compile(*runs, facts).plan.has_value());
}
