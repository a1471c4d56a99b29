// tests: what the modem's broker is told of modes and policy.
#include "runtime/daemon/modem_table.h"

#include <catch2/catch.hpp>

#include "policy/profile.h"

using namespace pmos;
using namespace pmos::daemon;

namespace {

struct Phone {
    std::unique_ptr<EventLoop> loop = std::move(*EventLoop::make());
    Modes modes;
    policy::PolicySet policy;

    // A mode with these rights, whose profile has a claim; null: it cannot be read.
    Mode& add(const std::string& name, policy::ModemRights rights,
              std::optional<policy::ModemSpec> claims) {
        auto plan = std::make_shared<policy::LaunchPlan>();
        plan->uid_map = {{0, 100000U * static_cast<unsigned>(modes.size() + 1), 65536}};
        plan->modem = rights;
        auto& mode = modes[name] = std::make_unique<Mode>(*loop, name);
        if (claims) mode->plan = plan;
        auto& known = policy.modes.emplace_back();
        known.mode = name;
        if (claims) {
            auto profile = std::make_shared<policy::Profile>();
            profile->modem = *claims;
            known.profile = profile;
        }
        return *mode;
    }
    modem::Table table() const { return modem_table(modes, policy, {"110"}); }
};

policy::ModemSpec claims(std::vector<std::string> numbers, bool rest) {
    policy::ModemSpec spec;
    spec.numbers = std::move(numbers);
    spec.rest = rest;
    return spec;
}

}  // namespace

TEST_CASE("the broker's table has the rights of plans and the claims of profiles") {
    Phone phone;
    auto claim = claims({"+49*"}, false);
    claim.access_points = {"intern.example"};
    phone.add("alpha", {.sms = true, .data = true}, claim);
    Mode& beta = phone.add("beta", {true, true}, claims({}, true));
    beta.foreground = true;
    const auto table = phone.table();
    REQUIRE(table.modes.size() == 2);
    const auto &a = table.modes[0], &b = table.modes[1];
    CHECK((a.name == "alpha" && a.sms && !a.voice && a.id_start == 100000 && a.id_count == 65536));
    CHECK((a.data && !b.data && b.access_points.empty()));
    CHECK(a.access_points == std::vector<std::string>{"intern.example"});
    CHECK(a.numbers == std::vector<std::string>{"+49*"});
    CHECK((b.name == "beta" && b.sms && b.voice && b.id_start == 200000));
    CHECK(table.fallback == "beta");
    CHECK(table.emergency == std::vector<std::string>{"110"});
    // Not alive: nobody is in front, whatever is still written down.
    CHECK((!b.foreground && !b.running));

    beta.running.emplace();
    CHECK_FALSE(phone.table().modes[1].voice);  // started by a plan that nobody knows any more
    beta.running->plan = beta.plan;
    CHECK((phone.table().modes[1].foreground && phone.table().modes[1].running));
    // Locked: nobody is left to speak.
    beta.held = true;
    CHECK((!phone.table().modes[1].foreground && !phone.table().modes[1].running));
}

TEST_CASE("who may only call for help is a mode of the broker's") {
    Phone phone;
    phone.add("alpha", {.emergency = true}, claims({}, false));
    const auto mode = phone.table().modes.at(0);
    CHECK((mode.emergency && !mode.sms && !mode.voice && mode.id_count == 65536));
}

TEST_CASE("a mode that runs keeps its rights, and what comes in is whose the policy says now") {
    Phone phone;
    Mode& alpha = phone.add("alpha", {true, true}, claims({"+1"}, true));
    alpha.running.emplace();
    alpha.running->plan = alpha.plan;
    alpha.plan = std::make_shared<policy::LaunchPlan>();
    phone.policy.modes[0].profile = std::make_shared<policy::Profile>();
    CHECK((phone.table().modes[0].sms && phone.table().modes[0].voice));
    CHECK(phone.table().modes[0].numbers.empty());
    CHECK(phone.table().fallback.empty());
}

TEST_CASE("the rest that two claim is nobody's") {
    Phone phone;
    phone.add("alpha", {true, true}, claims({}, true));
    CHECK(phone.table().fallback == "alpha");
    phone.add("beta", {true, true}, claims({}, true));
    CHECK(phone.table().fallback.empty());
}

TEST_CASE("a file that is no mode is not named to the broker, and claims what nobody knows") {
    Phone phone;
    phone.add("alpha", {true, true}, claims({}, true));
    phone.add("My_Profile", {}, std::nullopt);
    REQUIRE(phone.table().modes.size() == 1);
    CHECK(phone.table().modes[0].name == "alpha");
    CHECK(phone.table().fallback.empty());
}

TEST_CASE("what a profile claims that cannot be read goes to nobody else") {
    Phone phone;
    Mode& alpha = phone.add("alpha", {true, true}, claims({"+1"}, true));
    alpha.running.emplace();
    alpha.running->plan = alpha.plan;
    alpha.foreground = true;
    phone.add("beta", {true, true}, std::nullopt);
    const auto table = phone.table();
    CHECK(table.fallback.empty());
    CHECK_FALSE(table.modes[0].foreground);
    CHECK(table.modes[0].numbers == std::vector<std::string>{"+1"});  // its own stay its own
    CHECK((!table.modes[1].sms && !table.modes[1].voice));

    SECTION("one that another mode disputes is known") {
        auto disputed = std::make_shared<policy::Profile>();
        disputed->modem.numbers = {"+2"};
        phone.policy.modes[1].disputed = disputed;
        CHECK(phone.table().fallback == "alpha");
        CHECK(phone.table().modes[1].numbers == std::vector<std::string>{"+2"});
        CHECK_FALSE(phone.table().modes[1].sms);
    }
}
