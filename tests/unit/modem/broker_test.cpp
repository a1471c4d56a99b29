// tests: what the broker lets each mode have, on modems that do what the test says.
#include <catch2/catch.hpp>

#include "fake_radio.h"

namespace {

using namespace pmos;
using namespace pmos::modem;
using namespace std::chrono_literals;

Done note_in(std::string& answer) {
    return [&answer](Result<> result) { answer = result ? "done" : result.error().message(); };
}

TEST_CASE("a message is one mode's, and no other's") {
    World w;
    w.table.modes[1].numbers = {"+1555*"};
    w.begin();
    w.receive("t1", "+15551", "for berta");
    w.receive("t2", "+1666", "for anna");
    REQUIRE(w.broker.view("berta")->texts.size() == 1);
    CHECK(w.broker.view("berta")->texts.at(0).text == "for berta");
    REQUIRE(w.broker.view("anna")->texts.size() == 1);
    // Numbers of its own: anna's first is 0 though it came second.
    CHECK(w.broker.view("anna")->texts.at(0).text == "for anna");
    std::string answer;
    w.broker.delete_text("anna", 1, note_in(answer));
    CHECK(answer == "there is no such message");
    w.broker.delete_text("anna", 0, note_in(answer));
    CHECK(w.radio.did("delete t2"));
    CHECK_FALSE(w.radio.did("delete t1"));

    // ModemManager starts again: other paths, the same owners, be the rules others by now.
    for (const char* path : {"t1", "t2"}) {
        w.radio.all_texts.erase(path);
        w.broker.text_gone(path);
    }
    CHECK(w.broker.view("berta")->texts.empty());
    w.table.modes[1].numbers.clear();
    w.broker.set_table(w.table);
    w.receive("t9", "+15551", "for berta");
    CHECK(w.broker.view("berta")->texts.size() == 1);
    CHECK(w.broker.view("anna")->texts.empty());
}

TEST_CASE("nothing is given to anybody before there is a table") {
    World w;
    w.broker.lines_changed();
    w.receive("t1", "+1", "text");
    w.ring("c1", "+1");
    CHECK(w.broker.nobodys_texts() == 1);
    CHECK(w.broker.nobodys_calls() == 1);
    w.broker.set_table(w.table);
    CHECK(w.broker.view("anna")->texts.size() == 1);
    CHECK(w.broker.view("anna")->calls.size() == 1);
    CHECK(w.broker.nobodys_texts() == 0);
}

TEST_CASE("a call that was taken before a broker that died is nobody else's") {
    World w;
    w.table.modes[1].numbers = {"+1555*"};
    w.table.modes[0].foreground = true;
    for (const auto& [path, number] : {std::pair{"c1", "+15551"}, {"c2", "+1666"}})
        w.radio.all_calls[path] = {"sim", number, CallState::active, 0, Direction::incoming};
    w.begin();
    CHECK(w.broker.view("berta")->calls.size() == 1);
    CHECK(w.broker.view("anna")->calls.empty());
    CHECK(w.broker.on_call() == std::vector<std::string>{"berta"});
    CHECK(w.broker.nobodys_calls() == 1);
}

TEST_CASE("a call that comes is who was in front at the ring's") {
    World w;
    w.table.modes[1].foreground = true;
    w.begin();
    w.ring("c1", "+1666");
    REQUIRE(w.broker.view("berta")->calls.size() == 1);
    w.table.modes[1].foreground = false;
    w.table.modes[0].foreground = true;
    w.broker.set_table(w.table);
    w.broker.call_changed("c1");
    CHECK(w.broker.view("anna")->calls.empty());
    std::string answer;
    w.broker.accept_call("anna", 0, note_in(answer));
    CHECK(answer == "there is no such call");
    w.broker.hang_up("anna", 0, note_in(answer));
    CHECK(w.radio.log.empty());
    w.broker.accept_call("berta", 0, note_in(answer));
    CHECK(w.radio.did("accept c1"));
}

TEST_CASE("the number may come after the first ring") {
    World w;
    w.table.modes[1].numbers = {"+1555*"};
    w.begin();
    w.ring("c1", "");
    CHECK(w.broker.view("anna")->calls.empty());
    w.ring("c1", "+15551");
    CHECK(w.broker.view("berta")->calls.size() == 1);
    w.ring("c2", "");
    w.wait(3s);
    CHECK(w.broker.view("anna")->calls.size() == 1);  // who hides it is the default's
}

TEST_CASE("a mode dials, and nobody else can end it") {
    World w;
    w.begin();
    const auto call = w.broker.make_call("anna", "sim", "+1 555");
    REQUIRE(call);
    CHECK(w.radio.log.empty());
    std::string answer;
    w.broker.start_call("anna", *call, note_in(answer));
    CHECK(w.radio.did("create sim +1555"));
    w.radio.answer();
    w.radio.answer();
    CHECK(answer == "done");
    w.set("call0", CallState::active);
    CHECK(w.broker.view("anna")->calls.at(*call).state == CallState::active);
    w.broker.hang_up_all("berta", note_in(answer));
    CHECK_FALSE(w.radio.did("hangup call0"));
    const auto second = w.broker.make_call("berta", "sim", "+1666");
    w.broker.start_call("berta", *second, note_in(answer));
    CHECK(answer == "there is a call on this line");
    w.broker.hang_up_all("anna", note_in(answer));
    CHECK(w.radio.did("hangup call0"));
    w.set("call0", CallState::terminated);
    CHECK(w.radio.did("forget call0"));
    CHECK(w.broker.delete_call("anna", *call));
    CHECK(w.broker.view("anna")->calls.empty());
}

TEST_CASE("a right that goes ends what the mode has") {
    World w;
    w.begin();
    w.ring("c1", "+1");
    w.set("c1", CallState::active);
    w.receive("t1", "+1", "text");
    w.table.modes[0].voice = false;
    w.broker.set_table(w.table);
    CHECK(w.radio.did("hangup c1"));
    CHECK(w.broker.view("anna")->calls.empty());
    CHECK(w.broker.view("anna")->texts.size() == 1);
    CHECK_FALSE(w.broker.make_call("anna", "sim", "+1555"));
    w.table.modes[0].sms = false;
    w.broker.set_table(w.table);
    CHECK(w.broker.view("anna") == nullptr);
    CHECK_FALSE(w.radio.did("delete t1"));
    CHECK_FALSE(w.broker.make_text("anna", "sim", "+1555", "text"));
}

TEST_CASE("who may only call for help hears of nothing and calls nobody else") {
    World w;
    w.table.modes[1].sms = w.table.modes[1].voice = false;
    w.table.modes[1].emergency = w.table.modes[1].foreground = true;
    w.table.modes[1].numbers = {"+1555*"};
    w.begin();
    REQUIRE(w.broker.view("berta") != nullptr);
    w.ring("c1", "+15551");
    w.receive("t1", "+15551", "text");
    CHECK((w.broker.nobodys_calls() == 1 && w.broker.nobodys_texts() == 1));
    w.ring("c2", "+1666");  // in front, and yet the rest's
    CHECK(w.broker.view("anna")->calls.size() == 1);
    for (const char* number : {"+1555", "110", "*112#", "1120", "112,1555", ""}) {
        INFO(number);
        CHECK_FALSE(w.broker.make_call("berta", "sim", number));
    }
    CHECK_FALSE(w.broker.make_text("berta", "sim", "112", "text"));
    const auto call = w.broker.make_call("berta", "sim", "1-1-2");
    REQUIRE(call);
    std::string answer;
    w.broker.start_call("berta", *call, note_in(answer));
    CHECK(answer == "done");
    CHECK(w.broker.emergency().number() == "112");
    // The right to all calls goes, what is for help stays.
    w.table.modes[0] = w.table.modes[1];
    w.table.modes[0].name = "anna";
    w.broker.set_table(w.table);
    CHECK(w.radio.did("hangup c2"));
    CHECK(w.broker.view("anna")->calls.empty());
    w.table.modes[1].emergency = false;
    w.broker.set_table(w.table);
    CHECK(w.broker.view("berta") == nullptr);
}

TEST_CASE("who has stopped speaks no more") {
    World w;
    w.begin();
    w.ring("c1", "+1");
    w.set("c1", CallState::active);
    w.ring("c2", "+1");
    w.table.modes[0].running = false;
    w.broker.set_table(w.table);
    CHECK(w.radio.did("hangup c1"));
    CHECK_FALSE(w.radio.did("hangup c2"));
}

TEST_CASE("a line that a mode claims is hidden from the others") {
    World w;
    w.table.modes[1].lines = {"first"};
    w.begin();
    CHECK(w.broker.view("anna")->lines.empty());
    CHECK(w.broker.view("berta")->lines.size() == 1);
    CHECK_FALSE(w.broker.make_text("anna", "sim", "+1555", "text"));
    CHECK_FALSE(w.broker.make_call("anna", "sim", "+1555"));
    CHECK(w.broker.make_call("anna", "sim", "112"));  // but this
}

TEST_CASE("messages are sent once, and leave nothing behind") {
    World w;
    w.begin();
    const auto text = w.broker.make_text("anna", "sim", "+1555", "hello");
    REQUIRE(text);
    std::string answer;
    w.broker.send_text("berta", *text, note_in(answer));
    CHECK(answer == "there is no such message");
    w.broker.send_text("anna", *text, note_in(answer));
    w.broker.send_text("anna", *text, note_in(answer));
    CHECK(answer == "this message cannot be sent, or was already");
    w.radio.answer();
    w.radio.answer();
    CHECK(answer == "done");
    CHECK(w.radio.did("delete text0"));
    CHECK(w.broker.view("anna")->texts.at(*text).state == TextState::sent);
}

TEST_CASE("what a mode asks for is bounded") {
    World w;
    w.begin();
    int calls = 0, texts = 0;
    while (calls < 1000 && w.broker.make_call("anna", "sim", "+1555")) ++calls;
    while (texts < 1000 && w.broker.make_text("anna", "sim", "+1555", "x")) ++texts;
    CHECK(calls == 16);
    CHECK(texts == 32);
    CHECK(w.broker.make_call("anna", "sim", "112"));
    CHECK_FALSE(w.broker.make_text("berta", "sim", "+1555", std::string(2000, 'x')));
    CHECK_FALSE(w.broker.make_call("berta", "sim", "+1555;ATH"));
    CHECK_FALSE(w.broker.make_call("nobody", "sim", "+1555"));
}

}  // namespace
