// tests: whose data connections are, on modems that do what the test says.
#include <catch2/catch.hpp>

#include "fake_radio.h"

namespace {

using namespace pmos;
using namespace pmos::modem;

// What connect answered.
struct Said {
    Answer<unsigned> answer() {
        return [this](Result<unsigned> result) {
            words = result ? "bearer " + std::to_string(*result) : result.error().message();
        };
    }
    Done done() {
        return [this](Result<> result) { words = result ? "done" : result.error().message(); };
    }
    std::string words;
};

struct DataWorld : World {
    DataWorld() {
        for (auto& mode : table.modes) mode.data = true;
        table.modes[0].access_points = {"one.example", "two.example"};
        table.modes[1].access_points = {"three.example"};
        begin();
    }
    std::size_t bearers(const char* mode) const { return broker.view(mode)->bearers.size(); }
};

TEST_CASE("a mode connects to what its profile names, and nobody else sees it") {
    DataWorld w;
    Said said;
    w.broker.connect("anna", "sim", "", said.answer());
    CHECK(w.radio.did("connect sim one.example"));
    w.radio.answer();
    CHECK(said.words == "bearer 0");
    w.set_bearer("bearer0", "one.example", true);
    CHECK(w.bearers("anna") == 1);
    CHECK(w.bearers("berta") == 0);
    CHECK(w.broker.bearer_owner("bearer0") == "anna");

    for (const char* name : {"three.example", "four.example", "ONE.example"}) {
        w.broker.connect("anna", "sim", name, said.answer());
        CHECK(said.words.contains("may not connect to"));
    }
    w.broker.connect("anna", "other", "", said.answer());
    CHECK(said.words == "there is no such modem");
    // The modem would end anna's.
    w.broker.connect("berta", "sim", "", said.answer());
    CHECK(said.words == "the modem is connected");
    w.broker.disconnect("berta", 0, said.done());
    CHECK(said.words == "there is no such bearer");
    w.broker.disconnect_all("berta", "sim", said.done());
    CHECK_FALSE(w.radio.did("disconnect bearer0"));
    w.broker.disconnect("anna", 0, said.done());
    CHECK(w.radio.did("disconnect bearer0"));
    w.radio.answer();
    CHECK(said.words == "done");
    w.set_bearer("bearer0", "one.example", false);
    w.broker.connect("berta", "sim", "", said.answer());
    CHECK(w.radio.did("connect sim three.example"));
    w.radio.answer(false);
    CHECK(said.words.contains("no"));
    // It may be tried again.
    w.broker.connect_again("anna", 0, said.done());
    w.radio.answer();
    CHECK(said.words == "done");
}

TEST_CASE("one that the phone has made is nobody's, unless a mode claims what it leads to") {
    DataWorld w;
    w.set_bearer("b1", "internet", true);
    w.set_bearer("b2", "three.example", true);
    CHECK(w.bearers("anna") == 0);
    CHECK(w.broker.bearer_owner("b1").empty());
    CHECK(w.broker.bearer_owner("b2") == "berta");
    // As a broker that starts again finds it.
    CHECK_FALSE(w.radio.did("disconnect b2"));
    SECTION("it goes") {
        w.radio.all_bearers.erase("b2");
        w.broker.bearer_gone("b2");
        CHECK(w.bearers("berta") == 0);
    }
    SECTION("two claim it") {
        w.table.modes[0].access_points.emplace_back("three.example");
        w.broker.set_table(w.table);
        CHECK(w.broker.bearer_owner("b2").empty());
        CHECK(w.radio.did("disconnect b2"));
        CHECK_FALSE(w.radio.did("disconnect b1"));
    }
}

TEST_CASE("a connection ends with what its mode had") {
    DataWorld w;
    Said said;
    const auto connected = [&] {
        w.broker.connect("anna", "sim", "", said.answer());
        w.radio.answer();
        w.set_bearer("bearer0", "one.example", true);
    };
    SECTION("it is locked or has ended") {
        connected();
        w.table.modes[0].running = false;
    }
    SECTION("its right goes") {
        connected();
        w.table.modes[0].data = false;
    }
    SECTION("all its rights go") {
        connected();
        w.table.modes[0].data = w.table.modes[0].sms = w.table.modes[0].voice = false;
    }
    SECTION("its access point goes") {
        connected();
        w.table.modes[0].access_points.clear();
    }
    SECTION("in the middle of connecting") {
        w.broker.connect("anna", "sim", "", said.answer());
        w.table.modes[0].running = false;
        w.broker.set_table(w.table);
        w.radio.answer();
        CHECK(said.words == "there is no such bearer");
    }
    w.broker.set_table(w.table);
    CHECK(w.radio.did("disconnect bearer0"));
    w.broker.connect("anna", "sim", "", said.answer());
    CHECK_FALSE(said.words.contains("bearer 1"));
}

TEST_CASE("an emergency call that the modem refuses ends what it is connected to") {
    DataWorld w;
    Said said;
    w.broker.connect("anna", "sim", "", said.answer());
    SECTION("it is up") {
        w.radio.answer();
        w.set_bearer("bearer0", "one.example", true);
        REQUIRE(w.broker.dial_emergency("112"));
        CHECK_FALSE(w.radio.did("disconnect /"));
        w.radio.answer(false);  // the call cannot be made
    }
    SECTION("it is not up yet") {
        REQUIRE(w.broker.dial_emergency("112"));
        auto connecting = std::move(w.radio.waiting.front());
        w.radio.waiting.erase(w.radio.waiting.begin());
        w.radio.answer(false);
        CHECK(w.radio.did("disconnect /"));
        connecting(true);  // and comes up all the same
        CHECK(w.radio.did("disconnect bearer0"));
        CHECK(said.words == "there is no such bearer");
    }
    CHECK(w.radio.did("disconnect /"));
    w.broker.connect("anna", "sim", "", said.answer());
    CHECK(said.words == "an emergency call is under way");
}

TEST_CASE("a line that becomes another mode's takes the connection along") {
    DataWorld w;
    w.set_bearer("b1", "one.example", true);
    CHECK(w.broker.bearer_owner("b1") == "anna");
    w.table.modes[1].lines = {"first"};
    w.broker.set_table(w.table);
    CHECK(w.radio.did("disconnect b1"));
    CHECK(w.bearers("anna") == 0);
}

TEST_CASE("what is connected, and not known to be yet, ends with the right") {
    DataWorld w;
    Said said;
    w.broker.connect("anna", "sim", "", said.answer());
    w.radio.answer();
    CHECK(w.bearers("anna") == 1);
    w.table.modes[0].data = false;
    w.broker.set_table(w.table);
    CHECK(w.radio.did("disconnect bearer0"));
}

}  // namespace
