// tests: an emergency call in every state, on modems that do what the test says.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "fake_radio.h"

namespace {

using namespace pmos;
using namespace pmos::modem;
using namespace std::chrono_literals;
using Phase = Emergency::Phase;

constexpr auto kTurn = 700ms;  // more than it waits before it tries again

struct TemporaryFile {
    std::filesystem::path directory =
        std::filesystem::temp_directory_path() / ("pmos-wish-" + std::to_string(::getpid()));
    std::string path = directory / "emergency";
    TemporaryFile() { std::filesystem::create_directories(directory); }
    ~TemporaryFile() { std::filesystem::remove_all(directory); }
};

void carried(World& w) {
    w.radio.answer();  // created
    w.radio.answer();  // started
    w.set("call0", CallState::active);
    CHECK(w.broker.emergency().phase() == Phase::active);
    w.set("call0", CallState::terminated);
    CHECK(w.broker.emergency().phase() == Phase::ended);
    CHECK(w.radio.did("forget call0"));
}

TEST_CASE("the host dials without any table") {
    World w;
    REQUIRE(w.broker.dial_emergency("112"));
    CHECK(w.radio.did("create sim 112"));
    carried(w);
    CHECK_FALSE(w.broker.dial_emergency("+15551234"));
}

TEST_CASE("numbers of the policy and of the SIM are emergency numbers too") {
    World w;
    w.table.emergency = {"115"};
    w.radio.all_lines["sim"].emergency = {"08"};
    w.begin();
    CHECK(w.broker.is_emergency_number("115"));
    CHECK(w.broker.is_emergency_number("08"));
    CHECK_FALSE(w.broker.is_emergency_number("116"));
}

TEST_CASE("without ModemManager it is started, and dialled when it is there") {
    World w;
    w.radio.there = false;
    const auto lines = std::exchange(w.radio.all_lines, {});
    REQUIRE(w.broker.dial_emergency("112"));
    CHECK(w.radio.did("wake"));
    CHECK(w.broker.emergency().words() == "ModemManager is not there: it is started");
    w.radio.there = true;
    w.broker.lines_changed();
    CHECK(w.broker.emergency().words() == "ModemManager has no modem yet");
    w.radio.all_lines = lines;
    w.broker.lines_changed();
    carried(w);
}

TEST_CASE("without any SIM more numbers are for help, and with one they are not") {
    World w;
    w.begin();
    auto& line = w.radio.all_lines["sim"];
    line.state = LineState::failed;
    line.failed_reason = 1;
    CHECK_FALSE(w.broker.dial_emergency("110"));
    line.failed_reason = kNoSim;
    for (const char* number : {"000", "08", "110", "118", "119", "999", "112"}) {
        INFO(number);
        CHECK(w.broker.is_emergency_number(number));
    }
    CHECK_FALSE(w.broker.is_emergency_number("115"));
    w.radio.all_lines["two"].state = LineState::registered;
    CHECK_FALSE(w.broker.dial_emergency("110"));
    w.radio.all_lines.clear();
    CHECK_FALSE(w.broker.dial_emergency("110"));
}

TEST_CASE("a modem that is off stays so for who may only call for help") {
    World w;
    w.radio.all_lines["sim"].state = LineState::disabled;
    for (auto& mode : w.table.modes) {
        mode.sms = mode.voice = false;
        mode.emergency = true;
    }
    w.begin();
    CHECK_FALSE(w.radio.did("enable sim"));
    REQUIRE(w.broker.dial_emergency("112"));
    CHECK(w.radio.did("enable sim"));
}

TEST_CASE("without a SIM it is dialled all the same, and a modem that is off is switched on") {
    World w;
    w.radio.all_lines["sim"].state = LineState::failed;
    REQUIRE(w.broker.dial_emergency("112"));
    carried(w);

    World off;
    off.radio.all_lines["sim"].state = LineState::disabled;
    REQUIRE(off.broker.dial_emergency("112"));
    CHECK(off.radio.did("enable sim"));
    off.radio.all_lines["sim"].state = LineState::enabled;
    off.radio.answer();
    CHECK(off.radio.did("create sim 112"));
}

TEST_CASE("another's call is hung up first, and one that will not end is no reason to wait long") {
    World w;
    w.begin();
    w.ring("c1", "+1");
    w.set("c1", CallState::active);
    REQUIRE(w.broker.dial_emergency("112"));
    CHECK(w.radio.did("hangup c1"));
    CHECK_FALSE(w.radio.did("create sim 112"));
    SECTION("it ends") {
        w.set("c1", CallState::terminated);
        w.wait(kTurn);
        CHECK(w.radio.did("create sim 112"));
    }
    SECTION("it does not") {
        w.wait(6s);
        CHECK(w.radio.did("create sim 112"));
    }
}

TEST_CASE("a refusal is tried again, on another line where there is one") {
    World w;
    w.radio.all_lines["two"] = w.radio.all_lines["sim"];
    w.radio.all_lines["two"].state = LineState::failed;
    REQUIRE(w.broker.dial_emergency("112"));
    CHECK(w.radio.did("create sim 112"));
    w.radio.answer(false);
    CHECK(w.broker.emergency().words() == "it was refused and is tried again: no");
    w.wait(kTurn);
    CHECK(w.radio.did("create two 112"));
    w.radio.answer();
    w.radio.answer(false);  // the start
    CHECK(w.radio.did("forget call0"));
    w.wait(2 * kTurn);
    CHECK(std::ranges::count(w.radio.log, "create sim 112") == 2);
}

TEST_CASE("a modem that goes under it is waited for") {
    World w;
    REQUIRE(w.broker.dial_emergency("112"));
    w.radio.answer();
    w.radio.answer();
    w.set("call0", CallState::dialing);
    w.radio.all_calls.clear();
    w.broker.call_gone("call0");
    CHECK(w.broker.emergency().phase() == Phase::waiting);
    w.wait(kTurn);
    CHECK(std::ranges::count(w.radio.log, "create sim 112") == 2);
}

TEST_CASE("a mode without the right to calls dials too, and loses it by no rule") {
    World w;
    w.table.modes[0].voice = false;
    w.begin();
    CHECK_FALSE(w.broker.make_call("anna", "sim", "+1555"));
    const auto call = w.broker.make_call("anna", "no such line", "112");
    REQUIRE(call);
    bool started = false;
    w.broker.start_call("anna", *call, [&](const Result<>& r) { started = r.has_value(); });
    CHECK(started);
    w.radio.answer();
    w.radio.answer();
    w.set("call0", CallState::active);
    CHECK(w.broker.view("anna")->calls.at(*call).state == CallState::active);
    CHECK(w.broker.emergency().phase() == Phase::active);
    w.broker.set_table({});
    CHECK_FALSE(w.radio.did("hangup call0"));
    w.broker.end_emergency();
    CHECK(w.radio.did("hangup call0"));
}

TEST_CASE("a broker that dies loses no call that somebody waits for") {
    const TemporaryFile wish;
    World w;
    {
        Broker first{*w.loop, w.radio, Owners{}, wish.path};
        w.radio.there = false;
        REQUIRE(first.dial_emergency("112"));
        CHECK(std::filesystem::exists(wish.path));
    }
    w.radio.there = true;
    Broker second{*w.loop, w.radio, Owners{}, wish.path};
    second.resume_emergency();
    CHECK(second.emergency().under_way());
    CHECK(second.emergency().number() == "112");
    SECTION("it is dialled, not at once") {
        CHECK_FALSE(w.radio.did("create sim 112"));
        w.wait(3s);
        CHECK(w.radio.did("create sim 112"));
        second.end_emergency();
    }
    SECTION("unless it was dialled already") {
        w.radio.all_calls["old"] = {"sim", "112", CallState::ringing_out, 0, Direction::outgoing};
        second.call_changed("old");
        CHECK(second.emergency().phase() == Phase::calling);
        w.wait(3s);
        CHECK_FALSE(w.radio.did("create sim 112"));
        second.end_emergency();
        CHECK(w.radio.did("hangup old"));
    }
    CHECK_FALSE(std::filesystem::exists(wish.path));
    Broker third{*w.loop, w.radio, Owners{}, wish.path};
    third.resume_emergency();
    CHECK_FALSE(third.emergency().under_way());
}

TEST_CASE("a wish of long ago, or one that nobody wrote, is none") {
    const TemporaryFile wish;
    World w;
    for (const char* text : {"1 112", "112", "", "x 112", " ", "99999999999999999999 112"}) {
        std::ofstream(wish.path) << text;
        Broker broker{*w.loop, w.radio, Owners{}, wish.path};
        broker.resume_emergency();
        INFO(text);
        CHECK_FALSE(broker.emergency().under_way());
    }
}

TEST_CASE("an emergency call that is spoken when a broker comes is the host's to end") {
    World w;
    w.radio.all_calls["old"] = {"sim", "112", CallState::active, 0, Direction::outgoing};
    w.radio.all_calls["mine"] = {"sim", "+4930", CallState::active, 0, Direction::outgoing};
    w.begin();
    CHECK(w.broker.emergency().phase() == Phase::active);
    CHECK(w.broker.on_call().empty());
    w.broker.end_emergency();
    CHECK(w.radio.did("hangup old"));
    CHECK_FALSE(w.radio.did("hangup mine"));
}

TEST_CASE("nobody else calls meanwhile") {
    World w;
    w.begin();
    const auto call = w.broker.make_call("anna", "sim", "+1555");
    REQUIRE(w.broker.dial_emergency("112"));
    std::string why;
    w.broker.start_call("anna", *call,
                        [&](const Result<>& r) { why = r ? "" : r.error().message(); });
    CHECK(why == "an emergency call is under way");
    w.broker.end_emergency();
    CHECK(w.broker.emergency().phase() == Phase::ended);
}

}  // namespace
