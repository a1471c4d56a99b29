// tests: what pmosd says to fprintd, whom it believes, and that the reader is let go on every way
// out.
#include "runtime/daemon/fprintd.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <optional>

#include "fake_fprintd.h"

using namespace pmos;
using namespace pmos::daemon;
using namespace pmos::daemon::test;

namespace {

constexpr const char* kName = "net.reactivated.Fprint";

struct World {
    std::unique_ptr<EventLoop> loop = std::move(*EventLoop::make());
    PrivateBus bus;
    sd_bus* ours = bus.connect(*loop);
    std::optional<FakeFprintd> theirs{std::in_place, bus, *loop, kName};
    std::optional<Fprintd> reader{std::in_place, *loop, ours};
    std::vector<std::string> told;

    World() = default;
    World(const World&) = delete;
    World& operator=(const World&) = delete;
    ~World() {
        reader.reset();
        theirs.reset();
        // What was put off to the next turn.
        for (int i = 0; i < 10; ++i) static_cast<void>(sd_event_run(loop->get(), 0));
        sd_bus_flush_close_unref(ours);
    }
    FingerReader::Tell tell() {
        return [this](std::uint32_t permille, std::string_view what) {
            told.push_back(std::to_string(permille) + " " + std::string(what));
        };
    }
    template <class Until>
    bool run_until(Until until, std::chrono::seconds most = std::chrono::seconds(10)) {
        const auto end = std::chrono::steady_clock::now() + most;
        while (!until() && std::chrono::steady_clock::now() < end)
            if (sd_event_run(loop->get(), 20'000) < 0) return false;
        return until();
    }
    // Long enough for whatever was sent to arrive.
    void settle() {
        static_cast<void>(run_until([] { return false; }, std::chrono::seconds(1)));
    }
    bool was_called(const std::string& call) const {
        return std::ranges::count(theirs->calls, call) > 0;
    }
    const char* our_name() const {
        const char* name = nullptr;
        REQUIRE(sd_bus_get_unique_name(ours, &name) >= 0);
        return name;
    }
};

struct Verification {
    explicit Verification(World& world)
        : cancel(world.reader->verify("pmos-secure", world.tell(), [this](Result<bool> result) {
              answers.push_back(std::move(result));
          })) {}
    std::vector<Result<bool>> answers;
    FingerReader::Cancel cancel;
};

}  // namespace

TEST_CASE("fprintd: the right finger, another one, and one that has to try again") {
    struct Row {
        std::vector<std::pair<std::string, bool>> results;
        bool same;
    };
    for (const auto& row :
         {Row{{{"verify-match", true}}, true}, Row{{{"verify-no-match", true}}, false},
          Row{{{"verify-retry-scan", false},
               {"verify-finger-not-centered", false},
               {"verify-match", true}},
              true},
          // Nothing but the end counts, and nothing after it.
          Row{{{"verify-match", false}, {"verify-no-match", true}, {"verify-match", true}}, false},
          Row{{{"enroll-completed", true}, {"match", true}, {"verify-no-match", true}}, false}}) {
        World world;
        world.theirs->results = row.results;
        Verification verification(world);
        REQUIRE(world.run_until([&] { return !verification.answers.empty(); }));
        REQUIRE(verification.answers[0].has_value());
        CHECK(*verification.answers[0] == row.same);
        CHECK(world.theirs->calls ==
              std::vector<std::string>{"GetDefaultDevice", "Claim pmos-secure", "VerifyStart any",
                                       "VerifyStop", "Release"});
        world.settle();
        CHECK(verification.answers.size() == 1);
        CHECK(world.told.front() == "0 put your finger on the reader");
    }
}

TEST_CASE("fprintd: nobody else's word is believed") {
    World world;
    FakeFprintd other(world.bus, *world.loop, "");
    Verification verification(world);
    REQUIRE(world.run_until([&] { return world.was_called("VerifyStart any"); }));
    other.status("VerifyStatus", "verify-match", true);
    other.status("VerifyStatus", "verify-match", true, world.our_name());
    world.settle();
    CHECK(verification.answers.empty());
    // Whoever takes the name afterwards is somebody else too.
    world.theirs->status("VerifyStatus", "verify-no-match", true);
    REQUIRE(world.run_until([&] { return !verification.answers.empty(); }));
    CHECK_FALSE(*verification.answers[0]);
}

TEST_CASE("fprintd: one that goes away in the midst is an error at once, and its heir no answer") {
    World world;
    Verification verification(world);
    REQUIRE(world.run_until([&] { return world.was_called("VerifyStart any"); }));
    world.theirs->leave();
    FakeFprintd heir(world.bus, *world.loop, kName);
    heir.status("VerifyStatus", "verify-match", true);
    REQUIRE(world.run_until([&] { return !verification.answers.empty(); }));
    REQUIRE_FALSE(verification.answers[0]);
    CHECK(verification.answers[0].error().what == "fprintd went away");
    CHECK(heir.calls.empty());
}

TEST_CASE("fprintd: each of its errors has its words, and whatever was claimed is released") {
    struct Row {
        const char *call, *error;
        Code code;
        bool released;
    };
    for (const auto& row : {Row{"GetDefaultDevice", "NoSuchDevice", Code::not_found, false},
                            Row{"Claim", "AlreadyInUse", Code::busy, false},
                            Row{"Claim", "PermissionDenied", Code::denied, false},
                            Row{"VerifyStart", "NoEnrolledPrints", Code::not_found, true},
                            Row{"VerifyStart", "Internal", Code::failed, true}}) {
        World world;
        world.theirs->errors[row.call] = row.error;
        Verification verification(world);
        INFO(row.call << " " << row.error);
        REQUIRE(world.run_until([&] { return !verification.answers.empty(); }));
        REQUIRE_FALSE(verification.answers[0]);
        CHECK(verification.answers[0].error().code == row.code);
        CHECK_FALSE(verification.answers[0].error().fix.empty());
        CHECK(world.was_called("Release") == row.released);
        CHECK_FALSE(world.theirs->claimed);
    }
}

TEST_CASE("fprintd: a reader that fails is no finger") {
    for (const char* result : {"verify-disconnected", "verify-unknown-error", "verify-"}) {
        World world;
        world.theirs->results = {{result, true}};
        Verification verification(world);
        REQUIRE(world.run_until([&] { return !verification.answers.empty(); }));
        CHECK_FALSE(verification.answers[0].has_value());
        CHECK_FALSE(world.theirs->claimed);
    }
}

TEST_CASE("fprintd: none on the bus is said to be so") {
    World world;
    world.theirs.reset();
    Verification verification(world);
    REQUIRE(world.run_until([&] { return !verification.answers.empty(); }));
    REQUIRE_FALSE(verification.answers[0]);
    CHECK(verification.answers[0].error().code == Code::unsupported);
}

TEST_CASE("fprintd: called off, it lets the reader go at every stage") {
    for (const char* at : {"GetDefaultDevice", "Claim pmos-secure", "VerifyStart any"}) {
        World world;
        Verification verification(world);
        INFO(at);
        REQUIRE(world.run_until([&] { return world.was_called(at); }));
        verification.cancel();
        CHECK(verification.answers.empty());
        REQUIRE(world.run_until([&] { return !verification.answers.empty(); }));
        REQUIRE_FALSE(verification.answers[0]);
        CHECK(verification.answers[0].error().code == Code::cancelled);
        CHECK_FALSE(world.theirs->claimed);
        verification.cancel();
        world.settle();
        CHECK(verification.answers.size() == 1);
    }
}

TEST_CASE("fprintd: with the bus goes the question, answered") {
    World world;
    Verification verification(world);
    REQUIRE(world.run_until([&] { return world.was_called("VerifyStart any"); }));
    world.reader.reset();
    REQUIRE(verification.answers.size() == 1);
    CHECK_FALSE(verification.answers[0].has_value());
}

TEST_CASE("fprintd: a reader that cannot be released keeps nobody waiting for ever") {
    World world;
    world.theirs->results = {{"verify-match", true}};
    world.theirs->silent = {"VerifyStop"};
    Verification verification(world);
    REQUIRE(world.run_until([&] { return !verification.answers.empty(); }));
    CHECK(*verification.answers[0]);
}

TEST_CASE("fprintd: a finger is enrolled touch by touch, after what was another's is gone") {
    World world;
    world.theirs->results = {{"enroll-stage-passed", false},
                             {"enroll-swipe-too-short", false},
                             {"enroll-stage-passed", false},
                             {"enroll-completed", true}};
    world.theirs->errors["DeleteEnrolledFingers2"] = "NoEnrolledPrints";
    std::vector<Result<>> answers;
    world.reader->enroll("pmos-secure", "left-thumb", true, world.tell(),
                         [&](Result<> result) { answers.push_back(std::move(result)); });
    REQUIRE(world.run_until([&] { return !answers.empty(); }));
    CHECK(answers[0].has_value());
    CHECK(world.theirs->calls == std::vector<std::string>{"GetDefaultDevice", "Claim pmos-secure",
                                                          "DeleteEnrolledFingers2",
                                                          "EnrollStart left-thumb", "EnrollStop",
                                                          "Release"});
    CHECK(std::ranges::count_if(world.told, [](const std::string& line) {
              return line.find("touch 2") != std::string::npos;
          }) == 1);
}

TEST_CASE("fprintd: an enrolment that fails is told, and nothing is enrolled over another's") {
    for (const char* result : {"enroll-failed", "enroll-duplicate", "enroll-data-full",
                               "enroll-disconnected", "enroll-unknown-error"}) {
        World world;
        world.theirs->results = {{result, true}};
        std::vector<Result<>> answers;
        world.reader->enroll("pmos-secure", "left-thumb", false, world.tell(),
                             [&](Result<> done) { answers.push_back(std::move(done)); });
        REQUIRE(world.run_until([&] { return !answers.empty(); }));
        CHECK_FALSE(answers[0].has_value());
        CHECK_FALSE(world.was_called("DeleteEnrolledFingers2"));
        CHECK_FALSE(world.theirs->claimed);
    }
    World world;
    world.theirs->errors["DeleteEnrolledFingers2"] = "PrintsNotDeleted";
    std::vector<Result<>> answers;
    world.reader->enroll("pmos-secure", "left-thumb", true, world.tell(),
                         [&](Result<> done) { answers.push_back(std::move(done)); });
    REQUIRE(world.run_until([&] { return !answers.empty(); }));
    CHECK_FALSE(answers[0].has_value());
    CHECK_FALSE(world.was_called("EnrollStart left-thumb"));
}

TEST_CASE("fprintd: fingers are listed and removed, and none is none") {
    World world;
    world.theirs->fingers = {"left-thumb", "right-index-finger"};
    std::optional<Result<std::vector<std::string>>> listed;
    const auto list = [&] {
        listed.reset();
        world.reader->list("pmos-secure", [&](Result<std::vector<std::string>> fingers) {
            listed = std::move(fingers);
        });
        REQUIRE(world.run_until([&] { return listed.has_value(); }));
    };
    list();
    CHECK(listed->value() == world.theirs->fingers);
    CHECK(world.theirs->calls ==
          std::vector<std::string>{"GetDefaultDevice", "ListEnrolledFingers pmos-secure"});
    world.theirs->errors["ListEnrolledFingers"] = "NoEnrolledPrints";
    list();
    CHECK(listed->value().empty());
    std::optional<Result<>> removed;
    world.reader->remove("pmos-secure", [&](Result<> done) { removed = std::move(done); });
    REQUIRE(world.run_until([&] { return removed.has_value(); }));
    CHECK(removed->has_value());
    CHECK(world.was_called("DeleteEnrolledFingers2"));
    CHECK_FALSE(world.theirs->claimed);
}

TEST_CASE("fprintd: a removal waits until what of ours has the reader lets it go") {
    World world;
    Verification verification(world);
    REQUIRE(world.run_until([&] { return world.was_called("VerifyStart any"); }));
    std::optional<Result<>> removed;
    world.reader->remove("pmos-secure", [&](Result<> done) { removed = std::move(done); });
    world.settle();
    CHECK_FALSE(removed.has_value());
    CHECK_FALSE(world.was_called("DeleteEnrolledFingers2"));
    verification.cancel();
    REQUIRE(world.run_until([&] { return removed.has_value(); }));
    CHECK(removed->has_value());
    CHECK(world.was_called("DeleteEnrolledFingers2"));
    CHECK_FALSE(world.theirs->claimed);
}

TEST_CASE("fprintd: with the bus goes a removal that waits, answered") {
    World world;
    Verification verification(world);
    REQUIRE(world.run_until([&] { return world.was_called("VerifyStart any"); }));
    std::optional<Result<>> removed;
    world.reader->remove("pmos-secure", [&](Result<> done) { removed = std::move(done); });
    world.reader.reset();
    REQUIRE(removed.has_value());
    CHECK_FALSE(removed->has_value());
    CHECK(verification.answers.size() == 1);
}
