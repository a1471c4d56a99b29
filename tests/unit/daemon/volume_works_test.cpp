// tests: long works on volumes: one at a time in a mode, called off with their caller, cut short by
// who needs the volume.
#include "runtime/daemon/volume_works.h"

#include <catch2/catch.hpp>

using namespace pmos;
using namespace pmos::daemon;

namespace {

struct World {
    std::unique_ptr<EventLoop> loop = std::move(*EventLoop::make());
    VolumeWorks works{*loop};

    // What was put off to the next turn of the loop.
    void turn() {
        for (int i = 0; i < 10; ++i) REQUIRE(sd_event_run(loop->get(), 0) >= 0);
    }
};

}  // namespace

TEST_CASE("one work at a time in a mode, and one in each mode") {
    World world;
    const auto first = world.works.ask("secure", "peer-1", "volume-resize");
    const auto second = world.works.ask("secure", "peer-2", "volume-wipe-free");
    const auto other = world.works.ask("personal", "peer-2", "volume-wipe-free");
    REQUIRE(world.works.begin(first));
    const auto busy = world.works.begin(second);
    REQUIRE_FALSE(busy);
    CHECK(busy.error().code == Code::busy);
    CHECK(busy.error().why == "volume-resize goes on");
    world.works.end(second);
    CHECK(world.works.begin(other));
    world.works.end(first);
    CHECK(world.works.begin(world.works.ask("secure", "peer-3", "volume-resize")));
}

TEST_CASE("with its caller a work is called off, begun or not") {
    World world;
    int cancelled = 0;
    const auto running = world.works.ask("secure", "peer-1", "volume-resize");
    REQUIRE(world.works.begin(running));
    running->cancel = [&] { ++cancelled; };
    const auto waiting = world.works.ask("personal", "peer-1", "volume-resize");
    const auto another = world.works.ask("third", "peer-2", "volume-resize");
    world.works.drop_owners([](const std::string& owner) { return owner == "peer-1"; });
    CHECK(cancelled == 1);
    const auto begun = world.works.begin(waiting);
    REQUIRE_FALSE(begun);
    CHECK(begun.error().code == Code::cancelled);
    CHECK(world.works.begin(another));
    // What has ended is called off no more.
    world.works.end(running);
    world.works.drop_owners([](const std::string&) { return true; });
    CHECK(cancelled == 1);
}

TEST_CASE("what is done in its mode's queue goes with its caller, and is in nobody's way") {
    World world;
    int cancelled = 0, stopped = 0;
    const auto queued = world.works.ask("secure", "peer-1", "auth-test");
    queued->cancel = [&] { ++cancelled; };
    CHECK(world.works.begin(world.works.ask("secure", "peer-2", "volume-resize")));
    world.works.stop("personal", [&](Result<>) { ++stopped; });
    CHECK(stopped == 1);
    CHECK(cancelled == 0);
    world.works.drop_owners([](const std::string& owner) { return owner == "peer-1"; });
    CHECK(cancelled == 1);
    CHECK(queued->called_off);
    CHECK(VolumeWorks::called_off(*queued).error().message() ==
          "auth-test was called off before it began");
}

TEST_CASE("who needs the volume cuts the work short and waits for its end") {
    World world;
    int cancelled = 0, stopped = 0;
    world.works.stop("secure", [&](Result<>) { ++stopped; });
    CHECK(stopped == 1);  // nothing went on
    const auto work = world.works.ask("secure", "peer-1", "volume-wipe-free");
    world.works.stop("secure", [&](Result<>) { ++stopped; });
    CHECK(stopped == 2);  // nor has it begun
    REQUIRE(world.works.begin(work));
    work->cancel = [&] { ++cancelled; };
    world.works.stop("secure", [&](Result<>) { ++stopped; });
    world.turn();
    CHECK(cancelled == 1);
    CHECK(stopped == 2);
    world.works.end(work);
    CHECK(stopped == 2);
    world.turn();
    CHECK(stopped == 3);
}

TEST_CASE("a start cuts short what has the volume mounted, and nothing else") {
    World world;
    int cancelled = 0, stopped = 0;
    const auto work = world.works.ask("secure", "peer-1", "volume-reencrypt");
    work->mounts = false;
    REQUIRE(world.works.begin(work));
    work->cancel = [&] { ++cancelled; };
    world.works.stop_mounted("secure", [&](Result<>) { ++stopped; });
    CHECK(stopped == 1);
    CHECK(cancelled == 0);
    world.works.stop("secure", [&](Result<>) { ++stopped; });
    CHECK(cancelled == 1);
    world.works.end(work);
    world.turn();
    CHECK(stopped == 2);
    const auto mounted = world.works.ask("secure", "peer-1", "volume-resize");
    REQUIRE(world.works.begin(mounted));
    mounted->cancel = [&] { ++cancelled; };
    world.works.stop_mounted("secure", [&](Result<>) { ++stopped; });
    CHECK(cancelled == 2);
    CHECK(stopped == 2);
    world.works.end(mounted);
    world.turn();
    CHECK(stopped == 3);
}

TEST_CASE("what may wait for a person makes way for a lock, under way or in the queue") {
    World world;
    int cancelled = 0;
    const auto unlock = world.works.ask("secure", "peer-1", "unlock");
    unlock->yields = true;
    unlock->cancel = [&] { ++cancelled; };
    const auto waiting = world.works.ask("secure", "peer-2", "auth-test");
    waiting->yields = true;
    const auto making = world.works.ask("secure", "peer-3", "provision");
    const auto other = world.works.ask("personal", "peer-4", "unlock");
    other->yields = true;
    CHECK(world.works.would_yield("secure"));
    world.works.make_way("secure", "the mode is being locked");
    CHECK(cancelled == 1);
    CHECK(unlock->called_off);
    CHECK(waiting->called_off);
    CHECK_FALSE(making->called_off);
    CHECK_FALSE(other->called_off);
    // Once is enough, and the first reason stays.
    world.works.make_way("secure", "another");
    CHECK(cancelled == 1);
    const auto told = VolumeWorks::called_off(*unlock).error();
    CHECK(told.code == Code::cancelled);
    CHECK(told.message() == "unlock was called off: the mode is being locked");
    world.works.end(unlock);
    world.works.end(waiting);
    CHECK_FALSE(world.works.would_yield("secure"));
    CHECK(world.works.would_yield("personal"));
}

TEST_CASE("who asked for what made way is told that, and what could not be undone") {
    World world;
    const auto unlock = world.works.ask("secure", "peer-1", "unlock");
    CHECK(VolumeWorks::ended(*unlock, Result<>()));
    Error died;
    died.what = "the volume worker died";
    died.undo_failures.emplace_back().what = "it is open still";
    CHECK(VolumeWorks::ended<void>(*unlock, fail(died)).error().what == "the volume worker died");
    unlock->why = "the mode is being locked";
    CHECK(VolumeWorks::ended(*unlock, Result<>()));
    const auto told = VolumeWorks::ended<void>(*unlock, fail(died));
    REQUIRE_FALSE(told);
    CHECK(told.error().what == "unlock was called off");
    REQUIRE(told.error().undo_failures.size() == 1);
    CHECK(told.error().undo_failures[0].what == "it is open still");
}
