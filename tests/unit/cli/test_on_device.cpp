// tests: what is asked of pmos-try for a question, and how its answers read.
#include <stdlib.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cli/on_device.h"
#include "cli/this_arch.h"
#include "cli/trial.h"
#include "harness.h"

using namespace pmos::cli;
using pmos::policy::Answer;
using pmos::policy::Question;
using pmos::policy::Ruling;
using pmos::policy::Topic;

namespace {

// A script that the fake pmosd runs for pmos-try.
struct InPlace {
    explicit InPlace(const std::string& script) {
        char name[] = "/tmp/pmos-trial-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        directory = name;
        std::ofstream(directory + "/pmos-try") << "#!/bin/sh\n" << script;
        std::filesystem::permissions(directory + "/pmos-try", std::filesystem::perms::owner_all);
        ::setenv("PATH", (directory + ":" + before).c_str(), 1);
    }
    ~InPlace() {
        ::setenv("PATH", before.c_str(), 1);
        std::filesystem::remove_all(directory);
    }
    std::string directory;
    const std::string before = std::getenv("PATH");
};

const Question kRead{Topic::path, "/x", "read"};
const Question kWrite{Topic::path, "/x", "write"};
const Question kExecute{Topic::path, "/x", "execute"};
const Question kDevice{Topic::device, "gpu", "render"};
const Question kConnect{Topic::connect, "10.0.0.1:443"};
const Question kCapability{Topic::capability, "CAP_SYS_ADMIN"};

}  // namespace

TEST_CASE("a question becomes one line, or none") {
    CHECK(attempt_for(kExecute) == "execute /x");
    CHECK(attempt_for(kCapability) == "capability 21");
    CHECK(attempt_for(kConnect) == "connect 2 1 0 020001bb0a0000010000000000000000");
    CHECK(attempt_for({Topic::connect, "[fd00::1]:53"}) ==
          "connect 10 1 0 0a00003500000000fd00000000000000000000000000000100000000");
    CHECK(attempt_for({Topic::connect, "nowhere"}).empty());
    CHECK(attempt_for({Topic::connect, "10.0.0.1:53/udp"}).empty());
    CHECK(attempt_for({Topic::syscall, "ptrace"}).empty());
    CHECK(attempt_for({Topic::hears, "personal"}).empty());
}

TEST_CASE("pmos-try that does not answer is not waited for without end") {
    // It falls silent, as it does in a mode that is frozen.
    const InPlace program("read line\necho ok 1\nread line\nexec cat >/dev/null\n");
    const test::Service service;
    auto bus = BusClient::connect({.socket = service.socket()});
    REQUIRE(bus.has_value());
    auto trial = Trial::start(*bus, "personal");
    REQUIRE(trial.has_value());
    CHECK(trial->ask("read /x", std::chrono::seconds(60)).value() == "ok 1");
    const auto begun = std::chrono::steady_clock::now();
    const auto late = trial->ask("read /y", std::chrono::milliseconds(300));
    REQUIRE_FALSE(late.has_value());
    CHECK(late.error().code == pmos::Code::timed_out);
    CHECK(late.error().what.find("(at 'read /y')") != std::string::npos);
    CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(30));
}

TEST_CASE("nothing is tried that nobody hears of, and what cannot be read is no end of input") {
    const InPlace program("while read line; do echo ok 1; done\n");
    const test::Service service;
    const std::string ours = test::pmosctl() + " --socket '" + service.socket() + "'";
    const std::string status = program.directory + "/status";
    const std::string endless = "yes 'read /' | (timeout 60 " + ours +
                                " policy try personal 2>/dev/null; echo $? >" + status +
                                ") | head -n 1 >/dev/null";
    REQUIRE(std::system(endless.c_str()) == 0);
    int code = 0;
    std::ifstream(status) >> code;
    CHECK(code == 1);
    const std::string directory = ours + " policy try personal </tmp 2>/dev/null";
    CHECK(WEXITSTATUS(std::system(directory.c_str())) == 1);
}

TEST_CASE("the machine's architecture is one that there is a table for") {
    const auto arch = this_arch();
    REQUIRE(arch.has_value());
    CHECK(pmos::policy::syscall_number(**arch, "ptrace").has_value());
}

TEST_CASE("answers of the kernel read as rulings, or as nothing") {
    struct Row {
        const Question& question;
        std::string rule, answer;
        std::optional<Ruling> ruling;
    };
    const auto allowed = Ruling::allowed, refused = Ruling::refused;
    const Row rows[] = {
        {kRead, "mount", "ok 64", allowed},
        {kRead, "mount", "ok 0", allowed},
        {kRead, "masked", "ok 0", refused},
        {kRead, "masked", "ok 64", allowed},
        {kRead, "mount", "errno 13 open", refused},
        {kRead, "mount", "errno 2 open", std::nullopt},
        {kRead, "device-class", "errno 2 open", refused},
        {kWrite, "mount", "errno 30 create", refused},
        {kExecute, "mount", "errno 30 create", std::nullopt},
        {kExecute, "mount", "errno 13 execute", refused},
        {kExecute, "mount", "ok 0", allowed},
        {kExecute, "mount", "killed 31", refused},
        {kRead, "mount", "broken 11", std::nullopt},
        {kRead, "mount", "bad", std::nullopt},
        {kDevice, "device-class", "errno 2 open", refused},
        {kDevice, "device-class", "errno 16 open", allowed},
        {kConnect, "network", "errno 101 connect", refused},
        {kConnect, "network", "errno 115 connect", allowed},
        {kConnect, "network", "errno 111 connect", allowed},
        {kConnect, "network-egress", "errno 115 connect", std::nullopt},
        {kConnect, "network-egress", "errno 1 connect", refused},
        {kCapability, "capability", "ok 0", refused},
        {kCapability, "capability", "ok 1", allowed},
        {kCapability, "capability", "errno 1 prctl", std::nullopt},
    };
    for (const auto& row : rows) {
        Answer expected;
        expected.rule = row.rule;
        INFO(question_text(row.question) << " " << row.rule << ": " << row.answer);
        CHECK(ruling_of(row.question, expected, row.answer) == row.ruling);
    }
}
