// tests: pmosd's end of the notifications' broker and the broker's own, over a socket.
#include "runtime/daemon/notify_link.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <optional>

#include "runtime/notify/faces.h"

using namespace pmos;
using namespace pmos::daemon;
using namespace std::chrono_literals;

namespace {

// The broker's process, without its process.
struct FarEnd {
    FarEnd(EventLoop& loop, const std::string& dir) : broker(loop) {
        auto made = notify::Faces::make(loop, broker, dir, [](const Error&) {});
        REQUIRE(made);
        faces = std::move(*made);
    }
    notify::Broker broker;
    std::unique_ptr<notify::Faces> faces;
};

struct Ends {
    Ends() {
        auto plan = std::make_shared<policy::LaunchPlan>();
        plan->uid_map = {{0, 100000, 65536}};
        plan->session.notifications = policy::Notifications::count;
        plan->session.idle_inhibit = true;
        auto& mode = modes["anna"] = std::make_unique<Mode>(*loop, "anna");
        mode->running.emplace();
        mode->running->plan = plan;
        mode->running->started_at = 1;
        mode->state = State::running;
        far.emplace(*loop, dir);
        link.begin();
        REQUIRE(until([&] { return link.why_not().empty(); }));
    }
    ~Ends() { std::filesystem::remove_all(dir); }
    static std::string made_directory() {
        std::string name = "/tmp/pmos-notify-link-XXXXXX";
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        return name;
    }
    template <class Condition>
    bool until(Condition condition) {
        const auto last = std::chrono::steady_clock::now() + 5s;
        while (!condition() && std::chrono::steady_clock::now() < last)
            sd_event_run(loop->get(), 10000);
        return condition();
    }
    void say() {
        notify::Note note;
        note.summary = "text";
        REQUIRE(far->broker.notify("anna", std::move(note), 0));
    }
    bool hears(const NotifyLink::Uses& uses) {
        return until([&] { return heard == uses; });
    }
    Mode& anna() { return *modes["anna"]; }

    std::string dir = made_directory();
    std::unique_ptr<EventLoop> loop = std::move(*EventLoop::make());
    Modes modes;
    NotifyLink::Uses heard;
    NotifyLink link{*loop, dir, modes, [this](const NotifyLink::Uses& uses) { heard = uses; }};
    std::optional<FarEnd> far;
};

}  // namespace

TEST_CASE("pmosd hears how many there are, and who wants the screen on") {
    Ends ends;
    ends.say();
    ends.say();
    CHECK(ends.hears({{"anna", 2, false}}));
    REQUIRE(ends.far->broker.keep_awake("anna", "x"));
    CHECK(ends.hears({{"anna", 2, true}}));
    ends.far->broker.client_gone("anna", "x");
    CHECK(ends.hears({{"anna", 2, false}}));
    CHECK(std::filesystem::is_socket(ends.dir + "/modes/anna/bus"));
}

TEST_CASE("a lock and an end of the mode leave nothing of it") {
    Ends ends;
    ends.say();
    REQUIRE(ends.hears({{"anna", 1, false}}));
    SECTION("a lock") { ends.anna().held = true; }
    SECTION("another run") { ends.anna().running->started_at = 2; }
    SECTION("its end") { ends.anna().running.reset(); }
    SECTION("a right that goes") {
        auto plan = std::make_shared<policy::LaunchPlan>(*ends.anna().running->plan);
        plan->session = {};
        ends.anna().running->plan = plan;
    }
    ends.link.look_soon();
    CHECK(ends.hears({}));
}

TEST_CASE("with the broker all counts go, and a new one is told, and has none") {
    Ends ends;
    ends.say();
    REQUIRE(ends.hears({{"anna", 1, false}}));
    ends.far.reset();
    CHECK(ends.hears({}));
    CHECK_FALSE(ends.link.why_not().empty());
    ends.far.emplace(*ends.loop, ends.dir);
    CHECK(ends.until([&] { return ends.link.why_not().empty(); }));
    CHECK(ends.heard.empty());
    ends.say();
    CHECK(ends.hears({{"anna", 1, false}}));
}
