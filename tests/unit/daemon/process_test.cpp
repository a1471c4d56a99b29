// tests: starting, feeding and timing out helper processes.
#include "runtime/daemon/process.h"

#include <fcntl.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <optional>

using namespace pmos;
using namespace pmos::daemon;
using namespace std::chrono_literals;

namespace {

Result<RunResult> run(const std::string& script, std::string input = "",
                      std::chrono::milliseconds timeout = 5s) {
    const auto loop = std::move(*EventLoop::make());
    std::optional<Result<RunResult>> answer;
    RunRequest request;
    request.spawn.path = "/bin/sh";
    request.spawn.args = {"-c", script};
    request.spawn.env = {"PATH=/usr/bin:/bin"};
    request.input = std::move(input);
    request.timeout = timeout;
    run_helper(*loop, std::move(request), [&](Result<RunResult> r) { answer = std::move(r); });
    for (int i = 0; i < 10000 && !answer; ++i) sd_event_run(loop->get(), 1000);
    REQUIRE(answer.has_value());
    return std::move(*answer);
}

}  // namespace

TEST_CASE("a helper's exit code, input and last line of complaint come back") {
    const auto result = run("read x; echo first >&2; echo got $x >&2; exit 3", "word\n");
    REQUIRE(result.has_value());
    CHECK(result->code == 3);
    CHECK_FALSE(result->timed_out);
    CHECK(result->error_text == "got word");
}

TEST_CASE("a helper that takes too long is killed") {
    const auto result = run("exec sleep 60", "", 50ms);
    REQUIRE(result.has_value());
    CHECK(result->timed_out);
    CHECK(result->code == 128 + SIGKILL);
}

TEST_CASE("what a helper started goes with it when it takes too long") {
    const auto result = run("echo $$ >&2; sleep 60 & sleep 60", "", 100ms);
    REQUIRE(result.has_value());
    const int group = std::stoi(result->error_text);
    // The group is empty once its last member has been reaped by init.
    bool gone = false;
    for (int i = 0; i < 200 && !gone; ++i) {
        gone = ::kill(-group, 0) != 0;
        if (!gone) ::usleep(10000);
    }
    CHECK(gone);
}

TEST_CASE("a helper that does not exist is an error that names it") {
    const auto loop = std::move(*EventLoop::make());
    RunRequest request;
    request.spawn.path = "/nowhere/helper";
    std::optional<Result<RunResult>> answer;
    run_helper(*loop, std::move(request), [&](Result<RunResult> r) { answer = std::move(r); });
    REQUIRE(answer.has_value());
    REQUIRE_FALSE(answer->has_value());
    CHECK(answer->error().what.find("/nowhere/helper") != std::string::npos);
    CHECK(answer->error().code == Code::not_found);
}

TEST_CASE("a spawned process has only the descriptors it was given") {
    const UniqueFd extra(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const UniqueFd out(ends[0]);
    UniqueFd in(ends[1]);
    SpawnRequest request;
    request.path = "/bin/sh";
    request.args = {"-c", "echo $(ls /proc/self/fd)"};
    request.env = {"PATH=/usr/bin:/bin"};
    request.descriptors = {BorrowedFd(), in.borrow(), BorrowedFd(2), extra.borrow()};
    auto child = spawn(request);
    REQUIRE(child.has_value());
    in.reset();
    std::string text;
    char buffer[256];
    for (ssize_t n; (n = ::read(out.get(), buffer, sizeof buffer)) > 0;)
        text.append(buffer, static_cast<std::size_t>(n));
    REQUIRE(::waitpid(child->pid, nullptr, 0) == child->pid);
    CHECK(text == "0 1 2 3 4\n");  // 4 is the directory that ls reads
}
