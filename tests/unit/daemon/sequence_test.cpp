// tests: the sequence engine and the job queue of the daemon.
#include "runtime/daemon/sequence.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <optional>

using namespace pmos;
using namespace pmos::daemon;
using namespace std::chrono_literals;

namespace {

// Runs the loop until done was called, at most a second.
struct LoopRun {
    std::unique_ptr<EventLoop> loop = std::move(*EventLoop::make());
    std::optional<Result<>> answer;
    Done done() {
        return [this](Result<> result) { answer = std::move(result); };
    }
    void turn() {
        for (int i = 0; i < 1000 && !answer; ++i) sd_event_run(loop->get(), 1000);
    }
};

SequenceStep step(const char* name, std::string& trace, bool works, bool undo_works = true) {
    return {name,
            [name, &trace, works](Done done) {
                trace += std::string("+") + name;
                if (works) return done({});
                done(fail(Code::failed, "broken"));
            },
            [name, &trace, undo_works](Done done) {
                trace += std::string("-") + name;
                if (undo_works) return done({});
                done(fail(Code::busy, "stuck"));
            }};
}

template <class... Steps>
std::vector<SequenceStep> list(Steps... steps) {
    std::vector<SequenceStep> out;
    (out.push_back(std::move(steps)), ...);
    return out;
}

}  // namespace

TEST_CASE("a sequence runs its steps in order and undoes nothing when all work") {
    LoopRun run;
    std::string trace;
    run_sequence(*run.loop, "t", list(step("a", trace, true), step("b", trace, true)), run.done());
    run.turn();
    REQUIRE(run.answer.has_value());
    CHECK(run.answer->has_value());
    CHECK(trace == "+a+b");
}

TEST_CASE("a failed step undoes those before it, in reverse, and not itself") {
    LoopRun run;
    std::string trace;
    run_sequence(*run.loop, "t",
                 list(step("a", trace, true), step("b", trace, true), step("c", trace, false),
                      step("d", trace, true)),
                 run.done());
    run.turn();
    REQUIRE(run.answer.has_value());
    REQUIRE_FALSE(run.answer->has_value());
    CHECK(run.answer->error().step == "c");
    CHECK(run.answer->error().what == "broken");
    CHECK(trace == "+a+b+c-b-a");
}

TEST_CASE("a failed undo is attached, does not replace the cause and does not stop the others") {
    LoopRun run;
    std::string trace;
    run_sequence(
        *run.loop, "t",
        list(step("a", trace, true), step("b", trace, true, false), step("c", trace, false)),
        run.done());
    run.turn();
    REQUIRE(run.answer.has_value());
    REQUIRE_FALSE(run.answer->has_value());
    CHECK(run.answer->error().what == "broken");
    REQUIRE(run.answer->error().undo_failures.size() == 1);
    CHECK(run.answer->error().undo_failures[0].what == "stuck");
    CHECK(trace == "+a+b+c-b-a");
}

TEST_CASE("what is waited for is told, each second") {
    LoopRun run;
    std::vector<EventSource> timers;
    std::vector<std::string> told;
    std::vector<SequenceStep> steps;
    steps.push_back({"quick", [](Done done) { done({}); }});
    steps.push_back({"slow", [&](Done done) {
                         timers.push_back(
                             run.loop->after(std::chrono::milliseconds(2500),
                                             [done = std::move(done)]() mutable { done({}); }));
                     }});
    run_sequence(*run.loop, "t", std::move(steps), run.done(), nullptr,
                 [&](const char* step, std::uint32_t permille) {
                     told.push_back(step + std::string(" ") + std::to_string(permille));
                 });
    for (int turn = 0; turn < 100 && !run.answer; ++turn) run.turn();
    REQUIRE(run.answer.has_value());
    CHECK(told == std::vector<std::string>{"slow 500", "slow 500"});
}

TEST_CASE("jobs run one at a time in the order they came, also those added by a job's end") {
    LoopRun run;
    JobQueue queue(*run.loop);
    std::string trace;
    std::vector<EventSource> timers;
    const auto slow = [&](char name) {
        return [&, name](Done done) {
            trace += name;
            auto held = std::make_shared<Done>(std::move(done));
            timers.push_back(run.loop->after(5ms, [&trace, name, held] {
                trace += static_cast<char>(name - 'a' + 'A');
                (*held)({});
            }));
        };
    };
    queue.add(slow('a'), [&](Result<>) { queue.add(slow('c'), run.done()); });
    queue.add(slow('b'), [](Result<>) {});
    run.turn();
    CHECK(trace == "aAbBcC");
    CHECK(queue.idle());
}
