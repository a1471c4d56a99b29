// tests: whose a notification is, and who may see it.
#include <catch2/catch.hpp>
#include <chrono>

#include "world.h"

using namespace pmos;
using namespace pmos::notify;
using namespace std::chrono_literals;

namespace {

template <class Condition>
bool until(World& world, Condition condition, std::chrono::milliseconds limit = 5s) {
    const auto last = std::chrono::steady_clock::now() + limit;
    while (!condition() && std::chrono::steady_clock::now() < last)
        sd_event_run(world.loop->get(), 10000);
    return condition();
}

}  // namespace

TEST_CASE("who is in front sees of others what they let be seen, and of itself nothing") {
    World world;
    world.begin();
    CHECK(world.say("anna", "mine") == 1);
    CHECK(world.say("berta", "secret") == 1);
    const auto sees = [&](const char* mode) { return World::seen(world.broker.shown_to(mode)); };
    SECTION("a number") { CHECK(sees("anna") == "berta 1"); }
    SECTION("what it says") {
        world.berta().telling = Telling::full;
        world.begin();
        CHECK(sees("anna") == "berta 1: secret");
    }
    SECTION("nothing") {
        world.berta().telling = Telling::nothing;
        world.begin();
        CHECK(sees("anna").empty());
    }
    SECTION("who is behind it sees nothing, whatever is let be seen") {
        CHECK(sees("berta").empty());
        CHECK(sees("nobody").empty());
    }
    SECTION("the other way round") {
        std::swap(world.anna().foreground, world.berta().foreground);
        world.begin();
        CHECK(sees("berta") == "anna 1: mine");
        CHECK(sees("anna").empty());
    }
}

TEST_CASE("the panel sees all of who is in front, and of others as much as any mode") {
    World world;
    world.berta().telling = Telling::nothing;
    world.begin();
    world.say("anna", "mine");
    world.say("berta", "secret");
    CHECK(World::seen(world.broker.shown_to_host()) == "anna 1: mine");
    std::swap(world.anna().foreground, world.berta().foreground);
    world.anna().telling = Telling::count;
    world.begin();
    CHECK(World::seen(world.broker.shown_to_host()) == "anna 1; berta 1: secret");
    CHECK(world.broker.uses() == std::vector<ModeUse>{{"anna", 1, false}, {"berta", 1, false}});
}

TEST_CASE("a lock leaves nothing, and nothing comes behind it") {
    World world;
    world.begin();
    world.say("berta", "secret");
    world.say("berta", "another");
    world.berta().locked = true;
    world.log.clear();
    world.begin();
    CHECK(world.log == std::vector<std::string>{"closed berta 1 4", "closed berta 2 4"});
    CHECK(world.say("berta", "late") == 0);
    CHECK(world.broker.uses().empty());
    world.berta().locked = false;
    world.begin();
    CHECK(world.broker.shown_to("anna").empty());
    CHECK(world.say("berta", "new") == 3);
}

TEST_CASE("another run of a mode has nothing of the last one, not even its numbers") {
    World world;
    world.begin();
    world.say("berta", "secret");
    SECTION("at once") {}
    SECTION("after a while") {
        const auto berta = world.table.modes.back();
        world.table.modes.pop_back();
        world.begin();
        CHECK(world.say("berta", "gone") == 0);
        world.table.modes.push_back(berta);
    }
    world.berta().run = 7;
    world.begin();
    CHECK(world.broker.shown_to("anna").empty());
    CHECK(world.say("berta", "new") == 1);
}

TEST_CASE("a mode whose right goes has none any more") {
    World world;
    world.begin();
    world.say("berta", "secret");
    world.berta().notifies = false;
    world.begin();
    CHECK(world.broker.shown_to("anna").empty());
    CHECK(world.say("berta", "more") == 0);
}

TEST_CASE("who has no notifications itself is shown nobody's") {
    World world;
    world.begin();
    world.say("berta", "secret");
    CHECK(World::seen(world.broker.shown_to("anna")) == "berta 1");
    world.anna().notifies = false;
    world.anna().keeps_awake = true;
    world.begin();
    CHECK(world.broker.shown_to("anna").empty());
}

TEST_CASE("what may be seen otherwise is told once for many changes, and no more is told by it") {
    World world;
    world.begin();
    const auto mark = [&] { return marks_of(world.broker.shown_to("anna")); };
    const auto before = mark();
    world.changes = 0;
    const auto id = world.say("berta", "one");
    for (int i = 0; i < 20; ++i) world.say("berta", "again", id);
    CHECK(until(world, [&] { return world.changes == 1; }));
    const auto after = mark();
    CHECK(after != before);
    // That the text is another one is no other count.
    world.say("berta", "else", id);
    CHECK(mark() == after);
    world.berta().telling = Telling::full;
    world.begin();
    const auto full = mark();
    world.say("berta", "and else", id);
    CHECK(mark() != full);
}

TEST_CASE("it expires by itself") {
    World world;
    world.begin();
    Note note;
    note.due = Clock::now() + 50ms;
    REQUIRE(world.broker.notify("anna", std::move(note), 0));
    CHECK(until(world, [&] { return !world.log.empty(); }));
    CHECK(world.log == std::vector<std::string>{"closed anna 1 1"});
}

TEST_CASE("what a person does with it is told to its mode, and only what there is can be done") {
    World world;
    world.begin();
    Note note;
    note.actions = {{"open", "Open"}};
    SECTION("and closes it") {
        REQUIRE(world.broker.notify("anna", std::move(note), 0));
        CHECK_FALSE(world.broker.invoke("anna", 1, "delete"));
        CHECK_FALSE(world.broker.invoke("anna", 2, "open"));
        CHECK_FALSE(world.broker.invoke("berta", 1, "open"));
        CHECK(world.broker.invoke("anna", 1, "open"));
        CHECK(world.log == std::vector<std::string>{"invoked anna 1 open", "closed anna 1 2"});
        CHECK_FALSE(world.broker.invoke("anna", 1, "open"));
    }
    SECTION("but for one that stays") {
        note.resident = true;
        REQUIRE(world.broker.notify("anna", std::move(note), 0));
        CHECK(world.broker.invoke("anna", 1, "open"));
        CHECK(world.broker.invoke("anna", 1, "open"));
        CHECK(world.log == std::vector<std::string>(2, "invoked anna 1 open"));
    }
}

TEST_CASE("the screen stays on as long as a client wants it that has the right") {
    World world;
    world.begin();
    const auto wants = [&] {
        const auto uses = world.broker.uses();
        return std::ranges::any_of(uses, [](const ModeUse& use) { return use.wants_awake; });
    };
    CHECK_FALSE(world.broker.keep_awake("berta", "x"));
    const auto one = world.broker.keep_awake("anna", "x"),
               two = world.broker.keep_awake("anna", "y");
    REQUIRE(one);
    REQUIRE(two);
    CHECK(wants());
    CHECK_FALSE(world.broker.let_sleep("anna", "y", *one));
    CHECK(world.broker.let_sleep("anna", "x", *one));
    CHECK_FALSE(world.broker.let_sleep("anna", "x", *one));
    CHECK(wants());
    SECTION("a client that goes") { world.broker.client_gone("anna", "y"); }
    SECTION("a lock") {
        world.anna().locked = true;
        world.begin();
    }
    SECTION("a right that goes") {
        world.anna().keeps_awake = false;
        world.begin();
    }
    SECTION("another run") {
        world.anna().run = 9;
        world.begin();
    }
    CHECK_FALSE(wants());
}

TEST_CASE("nobody asks for the screen without end") {
    World world;
    world.begin();
    unsigned taken = 0;
    for (int i = 0; i < 1000; ++i)
        if (world.broker.keep_awake("anna", "x")) ++taken;
    CHECK(taken == 32);
}
