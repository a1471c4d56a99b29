// tests: what the sound's broker is told of the modes.
#include "runtime/daemon/audio_table.h"

#include <catch2/catch.hpp>

using namespace pmos;
using namespace pmos::daemon;
using audio::Gate;
using policy::Presence;

namespace {

struct Phone {
    std::unique_ptr<EventLoop> loop = std::move(*EventLoop::make());
    Modes modes;

    // One that runs.
    Mode& add(const std::string& name, policy::AudioRights rights, std::uint32_t ids = 65536) {
        auto plan = std::make_shared<policy::LaunchPlan>();
        plan->uid_map = {{0, 100000U * static_cast<unsigned>(modes.size() + 1), ids}};
        plan->audio = rights;
        auto& mode = modes[name] = std::make_unique<Mode>(*loop, name);
        mode->running.emplace();
        mode->running->plan = plan;
        mode->state = State::running;
        return *mode;
    }
};

constexpr auto kSilence = policy::WhenTaken::silence;

}  // namespace

TEST_CASE("what is for the foreground is open to who is in front, and to nobody else") {
    Phone phone;
    Mode& alpha = phone.add("alpha", {Presence::background, Presence::foreground, kSilence});
    phone.add("beta", {Presence::foreground, Presence::none, policy::WhenTaken::error});
    auto table = audio_table(phone.modes, &alpha);
    REQUIRE(table.modes.size() == 2);
    CHECK(table.modes[0] == audio::ModeSound{"alpha", 165534, Gate::open, Gate::open, true});
    CHECK(table.modes[1] == audio::ModeSound{"beta", 265534, Gate::absent, Gate::absent, true});
    table = audio_table(phone.modes, nullptr);
    CHECK(table.modes[0] == audio::ModeSound{"alpha", 165534, Gate::open, Gate::silent, true});
    table = audio_table(phone.modes, phone.modes["beta"].get());
    CHECK(table.modes[0].capture == Gate::silent);
    CHECK(table.modes[1].playback == Gate::open);
}

TEST_CASE("who stands still moves nothing, and who is locked or has ended has no sound server") {
    Phone phone;
    Mode& alpha = phone.add("alpha", {Presence::foreground, Presence::foreground, kSilence});
    alpha.state = State::frozen;
    CHECK_FALSE(audio_table(phone.modes, &alpha).modes.at(0).moves);
    SECTION("suspended") { alpha.suspended = true; }
    SECTION("held") { alpha.held = true; }
    SECTION("ended") { alpha.running.reset(); }
    SECTION("without rights") { alpha.running->plan = std::make_shared<policy::LaunchPlan>(); }
    SECTION("with a plan that cannot be read any more") { alpha.running->plan = nullptr; }
    CHECK(audio_table(phone.modes, &alpha).modes.empty());
}

TEST_CASE("its sound server is nobody of the mode") {
    Phone phone;
    phone.add("alpha", {Presence::foreground, Presence::none, kSilence}, 1000);
    phone.add("beta", {Presence::foreground, Presence::none, kSilence}, 100000);
    const auto table = audio_table(phone.modes, nullptr);
    CHECK(table.modes.at(0).id == 100999);
    CHECK(table.modes.at(1).id == 265534);
}
