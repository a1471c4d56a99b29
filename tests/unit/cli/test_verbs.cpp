// tests: every verb that needs no terminal, run as a person would, against the fake service.
#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "harness.h"

using namespace pmos::cli::test;
using Catch::Matchers::Contains;
using nlohmann::json;

TEST_CASE("status is a table, or an array with booleans") {
    const Service service;
    const auto text = service.run({"status"});
    CHECK(text.status == 0);
    CHECK_THAT(text.out, Contains("MODE      STATE                     FOREGROUND  LOCKED"));
    CHECK_THAT(text.out, Contains("personal  running, 2 notifications  *           no"));
    CHECK_THAT(text.out, Contains("profile is broken\\x1b[2J"));
    CHECK(text.out.find('\x1b') == std::string::npos);  // no terminal, no colours

    const auto data = json::parse(service.run({"--json", "status"}).out);
    REQUIRE(data.size() == 6);
    CHECK(data[4]["mode"] == "personal");
    CHECK(data[4]["state"] == "running");
    CHECK(data[4]["foreground"] == true);
    CHECK(data[4]["locked"] == false);
    CHECK(data[4]["notifications"] == 2);
    CHECK(data[5]["notifications"] == 0);
    CHECK(data[5]["mode"] == "secure");
    CHECK(data[5]["locked"] == true);
}

TEST_CASE("status of one mode, and of one that is not there") {
    const Service service;
    CHECK(json::parse(service.run({"status", "secure", "--json"}).out).size() == 1);
    const auto missing = service.run({"status", "nobody"});
    CHECK(missing.status == 3);
    CHECK_THAT(missing.err, Contains("pmosctl: there is no mode 'nobody'\nhint: "));
}

TEST_CASE("list prints names only") {
    const Service service;
    CHECK(service.run({"list"}).out == "broken\ncold\ndevice\nfresh\npersonal\nsecure\n");
    CHECK(json::parse(service.run({"list", "--json"}).out)[0] == "broken");
}

TEST_CASE("start of a running mode succeeds and says so") {
    const Service service;
    const auto again = service.run({"start", "personal"});
    CHECK(again.status == 0);
    CHECK(again.out == "personal: already running\n");
    CHECK(service.run({"stop", "personal"}).out == "personal: stopped\n");
    CHECK(service.run({"start", "personal"}).out == "personal: started\n");
    CHECK(json::parse(service.run({"start", "personal", "--json"}).out)["result"] ==
          "already running");
}

TEST_CASE("an error's code is the exit status, its hint stands below") {
    const Service service;
    const auto locked = service.run({"start", "secure"});
    CHECK(locked.status == 7);
    CHECK(locked.out.empty());
    CHECK(locked.err == "pmosctl: a volume is locked\nhint: pmosctl unlock it\n");
    CHECK(service.run({"start", "broken"}).status == 4);
    CHECK(service.run({"start", "nobody"}).status == 3);
    CHECK(service.run({"switch", "nobody"}).status == 3);
}

TEST_CASE("switch, also to none") {
    const Service service;
    CHECK(service.run({"switch", "cold"}).out == "cold: in the foreground\n");
    CHECK(json::parse(service.run({"status", "cold", "--json"}).out)[0]["foreground"] == true);
    CHECK(service.run({"switch", "--none"}).status == 0);
    CHECK(json::parse(service.run({"status", "cold", "--json"}).out)[0]["foreground"] == false);
    CHECK(service.run({"switch"}).status == 2);
    CHECK(service.run({"switch", "cold", "--none"}).status == 2);
}

TEST_CASE("stop wants one mode or all") {
    const Service service;
    CHECK(service.run({"stop"}).status == 2);
    CHECK(service.run({"stop", "personal", "--all"}).status == 2);
    CHECK(service.run({"stop", "--all"}).status == 0);
    CHECK(json::parse(service.run({"status", "personal", "--json"}).out)[0]["state"] == "stopped");
    CHECK(service.run({"stop", "personal", "--timeout", "-3"}).status == 2);
}

TEST_CASE("the command line is checked before anything is done") {
    const Service service;
    const auto typo = service.run({"statsu"});
    CHECK(typo.status == 2);
    CHECK_THAT(typo.err, Contains("hint: did you mean 'pmosctl status'?"));
    CHECK(service.run({}).status == 2);
    CHECK(service.run({"start"}).status == 2);
    CHECK(service.run({"start", "a", "b"}).status == 2);
    CHECK(service.run({"start", "--frobnicate", "a"}).status == 2);
    CHECK(service.run({"policy"}).status == 2);
    const auto verbs = service.run({"policy", "--help"});
    CHECK(verbs.status == 0);
    CHECK_THAT(verbs.out, Contains("policy check") && !Contains("switch"));
    const auto help = service.run({"start", "--help"});
    CHECK(help.status == 0);
    CHECK_THAT(help.out, Contains("pmosctl start"));
}

TEST_CASE("nobody serves: unreachable, with a hint") {
    const Service service;
    const auto r = service.run({"--socket", "/nonexistent/socket", "list"});
    CHECK(r.status == 2);  // --socket twice
    pmos::UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const pid_t pid = spawn({pmosctl(), "--socket", "/nonexistent/socket", "list"}, null.get(),
                            null.get(), ends[1]);
    ::close(ends[1]);
    const auto err = read_all(ends[0]);
    ::close(ends[0]);
    CHECK(wait_status(pid) == 18);
    CHECK_THAT(err, Contains("pmosctl: cannot reach pmosd") && Contains("hint: is pmosd running?"));
}

TEST_CASE("pmosd gone in the middle of a call") {
    const Service service;
    const auto r = service.run({"restart", "personal"});
    CHECK(r.status == 18);
    CHECK_THAT(r.err, Contains("cannot reach pmosd"));
}

TEST_CASE("doctor's status says whether there is an error") {
    const Service service;
    const auto text = service.run({"doctor"});
    CHECK(text.status == 1);
    CHECK_THAT(text.out, Contains("error    dm-crypt  not in this kernel") &&
                             Contains("hint: load dm_crypt"));
    CHECK(json::parse(service.run({"doctor", "--json"}).out)[1]["severity"] == "error");
}

TEST_CASE("inspect, version and reload") {
    const Service service;
    CHECK(json::parse(service.run({"inspect", "secure"}).out)["mode"] == "x");
    CHECK_THAT(service.run({"version"}).out, Contains("pmosd   9.9-fake"));
    CHECK(json::parse(service.run({"version", "--json"}).out)["pmosd"] == "9.9-fake");
    CHECK(service.run({"reload"}).out == "secure: plan changed\n");
}

TEST_CASE("logs: all, the last lines, as JSON, and as it grows") {
    const Service service;
    CHECK(service.run({"logs", "personal"}).out == "one\ntwo\nthree\n");
    CHECK(service.run({"logs", "personal", "-n", "2"}).out == "two\nthree\n");
    CHECK(service.run({"logs", "personal", "-n", "1", "--json"}).out == "{\"line\":\"three\"}\n");

    Terminal follow(service, {"logs", "-f", "-n", "1", "personal"});
    REQUIRE(follow.wait_for("three"));
    pmos::UniqueFd log(::open(service.log().c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    REQUIRE(::write(log.get(), "fo\x1bur\n", 7) == 7);
    CHECK(follow.wait_for("fo\\x1bur"));  // a mode's output does not drive the terminal
    CHECK(follow.seen().find("two") == std::string::npos);
}

TEST_CASE("events are printed as they come") {
    const Service service;
    Terminal watch(service, {"events", "--json", "-n", "2"});
    // It listens once its own question has been answered; a repeated event does no harm.
    for (int i = 0; i < 50 && watch.seen().find("details") == std::string::npos; ++i) {
        service.run({"stop", "personal"});
        service.run({"start", "personal"});
        if (watch.wait_for("details")) break;
    }
    CHECK(watch.finish() == 0);
    CHECK_THAT(watch.seen(), Contains("\"kind\":\"state\"") && Contains("\"kind\":\"changed\"") &&
                                 Contains("\"State\":\"") && Contains("\"mode\":\"personal\""));
}

TEST_CASE("a full disk is not a success") {
    const Service service;
    pmos::UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
    pmos::UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    const pid_t pid = spawn({pmosctl(), "--socket", service.socket(), "status"}, null.get(),
                            full.get(), null.get());
    CHECK(wait_status(pid) == 1);
}
