// tests: devices that come and go while a mode runs.
#include "policy/device_change.h"

#include <catch2/catch.hpp>

#include "policy/device_filter.h"
#include "policy/profile.h"
#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

const HostDevice kCamera{"camera", "capture", "video0", false, 81, 0};
const HostDevice kSecond{"camera", "capture", "video1", false, 81, 1};

struct Phone {
    std::shared_ptr<const Profile> profile;
    HostFacts facts = fixed_facts();

    explicit Phone(const std::string& extra = R"(, "devices": {"camera": "foreground"})") {
        profile = read_one(profile_text("alpha", 200000, extra)).profile;
        REQUIRE(profile);
        facts.devices.push_back(kCamera);
    }
    LaunchPlan plan() const {
        auto compiled = compile(*profile, facts);
        REQUIRE(compiled.plan);
        return std::move(*compiled.plan);
    }
    bool opens(const LaunchPlan& plan, const HostDevice& device) const {
        return evaluate_device(device_filter_from_bytes(plan.device_filter),
                               image::NodeType::character, device.major, device.minor,
                               device_read | device_write);
    }
};

}  // namespace

TEST_CASE("a device that comes is granted by the profile, as if it had been there") {
    Phone phone;
    const auto running = phone.plan();
    CHECK_FALSE(device_change(running, phone.profile.get(), phone.facts));
    phone.facts.devices.push_back(kSecond);
    const auto change = device_change(running, phone.profile.get(), phone.facts);
    REQUIRE(change);
    REQUIRE(change->come.size() == 1);
    CHECK(change->come.front().path == "video1");
    CHECK(change->come.front().foreground);
    CHECK(change->gone.empty());
    CHECK(digest(change->plan) == digest(phone.plan()));
}

TEST_CASE("a device that goes is taken away, its number with it") {
    Phone phone;
    phone.facts.devices.push_back(kSecond);
    const auto running = phone.plan();
    phone.facts.devices.pop_back();
    for (const Profile* profile : {phone.profile.get(), static_cast<const Profile*>(nullptr)}) {
        const auto change = device_change(running, profile, phone.facts);
        REQUIRE(change);
        CHECK(change->come.empty());
        REQUIRE(change->gone.size() == 1);
        CHECK(change->gone.front().path == "video1");
        CHECK(phone.opens(running, kSecond));
        CHECK_FALSE(phone.opens(change->plan, kSecond));
        CHECK(phone.opens(change->plan, kCamera));
    }
}

TEST_CASE("a number that another class has got by now grants nothing of it") {
    Phone phone;
    const auto running = phone.plan();
    phone.facts.devices.back() = {"gnss", "", "gnss0", false, 81, 0};
    const auto change = device_change(running, phone.profile.get(), phone.facts);
    REQUIRE(change);
    CHECK(change->come.empty());
    CHECK(change->gone.size() == 1);
    CHECK_FALSE(phone.opens(change->plan, kCamera));
}

TEST_CASE("a device that comes back under another number goes and comes") {
    Phone phone;
    const auto running = phone.plan();
    phone.facts.devices.back().minor = 7;
    const auto change = device_change(running, phone.profile.get(), phone.facts);
    REQUIRE(change);
    REQUIRE(change->come.size() == 1);
    CHECK(change->come.front().minor == 7);
    REQUIRE(change->gone.size() == 1);
    CHECK(change->gone.front().minor == 0);
}

TEST_CASE("without the profile that it was started with, a mode gains nothing") {
    Phone phone;
    const auto running = phone.plan();
    phone.facts.devices.push_back(kSecond);
    CHECK_FALSE(device_change(running, nullptr, phone.facts));
}
