// tests: what the notifications' broker is told of the modes.
#include "runtime/daemon/notify_table.h"

#include <catch2/catch.hpp>

using namespace pmos;
using namespace pmos::daemon;
using notify::Telling;
using policy::Notifications;

namespace {

struct Phone {
    std::unique_ptr<EventLoop> loop = std::move(*EventLoop::make());
    Modes modes;

    // One that runs.
    Mode& add(const std::string& name, Notifications tells, bool idle = false) {
        auto plan = std::make_shared<policy::LaunchPlan>();
        plan->uid_map = {{0, 100000U * static_cast<unsigned>(modes.size() + 1), 65536}};
        plan->session.notifications = tells;
        plan->session.idle_inhibit = idle;
        auto& mode = modes[name] = std::make_unique<Mode>(*loop, name);
        mode->running.emplace();
        mode->running->plan = plan;
        mode->running->started_at = 77 + modes.size();
        mode->state = State::running;
        return *mode;
    }
};

}  // namespace

TEST_CASE("what a mode lets others see is said as its plan has it") {
    Phone phone;
    phone.add("anna", Notifications::full, true).foreground = true;
    phone.add("berta", Notifications::count);
    phone.add("carla", Notifications::none);
    phone.add("dora", Notifications::off);
    phone.add("emma", Notifications::off, true);
    const auto table = notify_table(phone.modes);
    REQUIRE(table.modes.size() == 4);
    CHECK(table.modes[0] == notify::ModeRights{.name = "anna",
                                               .run = 78,
                                               .id_start = 100000,
                                               .id_count = 65536,
                                               .notifies = true,
                                               .telling = Telling::full,
                                               .keeps_awake = true,
                                               .foreground = true,
                                               .locked = false});
    CHECK(table.modes[1].telling == Telling::count);
    CHECK_FALSE(table.modes[1].keeps_awake);
    CHECK_FALSE(table.modes[1].foreground);
    CHECK(table.modes[2].telling == Telling::nothing);
    CHECK(table.modes[2].notifies);
    CHECK(table.modes[3].name == "emma");
    CHECK_FALSE(table.modes[3].notifies);
    CHECK(table.modes[3].keeps_awake);
}

TEST_CASE("who is locked is said to be, and is not in front; who has ended is not there") {
    Phone phone;
    Mode& anna = phone.add("anna", Notifications::full);
    anna.foreground = true;
    SECTION("suspended") { anna.suspended = true; }
    SECTION("held") { anna.held = true; }
    const auto table = notify_table(phone.modes);
    if (anna.shut()) {
        CHECK(table.modes.at(0).locked);
        CHECK_FALSE(table.modes.at(0).foreground);
    }
    SECTION("ended") {
        anna.running.reset();
        CHECK(notify_table(phone.modes).modes.empty());
    }
    SECTION("with a plan that cannot be read any more") {
        anna.running->plan = nullptr;
        CHECK(notify_table(phone.modes).modes.empty());
    }
    SECTION("frozen behind another it keeps what it has") {
        anna.state = State::frozen;
        anna.foreground = false;
        CHECK_FALSE(notify_table(phone.modes).modes.at(0).locked);
    }
}
