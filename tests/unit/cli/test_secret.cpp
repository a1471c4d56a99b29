// tests: how a PIN is asked for, and that it shows nowhere.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <set>

#include "cli/secret_input.h"
#include "harness.h"

using namespace pmos;
using namespace pmos::cli::test;
using Catch::Matchers::Contains;

TEST_CASE("unlock asks on the terminal without echo and starts the mode") {
    const Service service;
    Terminal tty(service, {"unlock", "secure"});
    REQUIRE(tty.wait_for("PIN for secure: "));
    CHECK_FALSE(tty.echoes());
    tty.type("2468\n");
    CHECK(tty.finish() == 0);
    CHECK_THAT(tty.seen(), Contains("secure: unlocked and started"));
    CHECK(tty.seen().find("2468") == std::string::npos);
    CHECK(tty.echoes());
    CHECK_THAT(service.run({"status", "secure"}).out, Contains("running"));
    CHECK(service.run({"unlock", "secure"}).out == "secure: already unlocked and running\n");
}

TEST_CASE("a wrong PIN is refused clearly, the terminal is as before") {
    const Service service;
    Terminal tty(service, {"unlock", "secure"});
    REQUIRE(tty.wait_for("PIN for secure: "));
    tty.type("0000\n");
    CHECK(tty.finish() == 8);
    CHECK_THAT(tty.seen(), Contains("wrong PIN") && Contains("4 attempts left"));
    CHECK(tty.echoes());
}

TEST_CASE("wrong PINs are counted in status, and a delay is an error of its own") {
    const Service service;
    CHECK_THAT(service.run({"status", "secure", "--json"}).out,
               Contains("\"failures\": 0") && Contains("\"retryAfter\": 0"));
    for (int i = 0; i < 5; ++i) {
        UniqueFd keep;
        const std::string fd = inheritable("0000", keep);
        CHECK(service.run({"unlock", "secure", "--pin-fd", fd}).status == 8);
    }
    UniqueFd keep;
    const std::string fd = inheritable("2468", keep);
    const auto refused = service.run({"unlock", "secure", "--pin-fd", fd});
    CHECK(refused.status == 19);
    CHECK(refused.err ==
          "pmosctl: too many wrong PINs: 5 in a row; this one was not tried\n"
          "hint: try again in 4 min 10 s\n");
    CHECK_THAT(service.run({"status", "secure"}).out, Contains("yes, 5 wrong, wait 4m 10s"));
    CHECK_THAT(service.run({"status", "secure", "--json"}).out,
               Contains("\"failures\": 5") && Contains("\"retryAfter\": 250"));
}

TEST_CASE("Ctrl-C, SIGTERM and SIGHUP at the prompt put the terminal back") {
    const Service service;
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        Terminal tty(service, {"unlock", "secure"});
        REQUIRE(tty.wait_for("PIN for secure: "));
        REQUIRE_FALSE(tty.echoes());
        if (number == SIGINT) {
            tty.type("12\x03");
        } else {
            tty.signal(number);
        }
        CHECK(tty.finish() == 128 + number);
        CHECK(tty.echoes());
    }
}

TEST_CASE("Ctrl-C at any prompt ends it there, with nothing asked of pmosd") {
    const Service service;
    const std::string backup = service.log();  // any file will do: it is not read
    struct Row {
        Args args;
        std::vector<std::string> prompts;  // all but the last are answered
        bool secret = true;
    };
    const std::string kOld = "PIN for secure: ", kYes = "type 'yes' to go on: ";
    const Row rows[] = {
        {{"provision", "fresh"}, {"new PIN for fresh: "}},
        {{"provision", "fresh"}, {"new PIN for fresh: ", "once more: "}},
        {{"volume", "passwd", "secure"}, {"old " + kOld}},
        {{"volume", "passwd", "secure"}, {"old " + kOld, "new " + kOld}},
        {{"volume", "passwd", "secure"}, {"old " + kOld, "new " + kOld, "once more: "}},
        {{"volume", "reencrypt", "secure"}, {kOld}},
        {{"auth", "enroll", "secure", "recovery-key"}, {kOld}},
        {{"auth", "enroll", "secure", "passphrase"}, {kOld, "new passphrase for secure: "}},
        {{"auth", "remove", "secure", "recovery-key"}, {kOld}},
        {{"auth", "test", "secure"}, {kOld}},
        {{"duress", "set", "secure"}, {kOld}},
        {{"duress", "set", "secure"}, {kOld, "duress " + kOld}},
        {{"duress", "set", "secure"}, {kOld, "duress " + kOld, "once more: "}},
        {{"duress", "remove", "secure"}, {kOld}},
        {{"erase", "secure"}, {kYes}, false},
        {{"volume", "restore", "secure", "data", backup}, {kYes}, false},
    };
    for (const auto& [args, prompts, secret] : rows) {
        CAPTURE(args, prompts);
        Terminal tty(service, args);
        for (const auto& prompt : prompts) {
            REQUIRE(tty.wait_for(prompt));
            if (&prompt != &prompts.back()) tty.type("2468\n");
        }
        CHECK(tty.echoes() != secret);
        tty.type(secret ? "24\x03" : "ye\x03");
        CHECK(tty.finish() == 128 + SIGINT);
        CHECK(tty.echoes());
    }
    const std::set<std::string> looks{"Get", "GetAll", "GetManagedObjects", "List", "ListFactors"};
    const auto calls = service.calls();
    CHECK(std::ranges::count(calls, "List") > 0);
    for (const auto& call : calls) CHECK(looks.contains(call));
    CHECK(service.run({"erase", "secure", "--yes"}).status == 0);
    CHECK(service.calls().back() == "Erase");
}

TEST_CASE("an empty PIN is refused before pmosd is asked") {
    const Service service;
    Terminal tty(service, {"unlock", "secure"});
    REQUIRE(tty.wait_for("PIN for secure: "));
    tty.type("\n");
    CHECK(tty.finish() == 2);
    CHECK_THAT(tty.seen(), Contains("the secret is empty"));
    UniqueFd pin;
    CHECK(service.run({"unlock", "secure", "--pin-fd", inheritable("", pin)}).status == 2);
}

TEST_CASE("provision asks twice, shows progress and refuses a volume that exists") {
    const Service service;
    Terminal differ(service, {"provision", "fresh"});
    REQUIRE(differ.wait_for("new PIN for fresh: "));
    differ.type("2468\n");
    REQUIRE(differ.wait_for("once more: "));
    differ.type("2469\n");
    CHECK(differ.finish() == 2);
    CHECK_THAT(differ.seen(), Contains("the two entries differ"));

    Terminal tty(service, {"provision", "fresh"});
    REQUIRE(tty.wait_for("new PIN for fresh: "));
    tty.type("2468\n");
    REQUIRE(tty.wait_for("once more: "));
    tty.type("2468\n");
    CHECK(tty.finish() == 0);
    CHECK_THAT(tty.seen(), Contains(" 50% formatting") && Contains("fresh: provisioned"));

    const auto again = service.run({"provision", "fresh"});
    CHECK(again.status == 5);
    CHECK_THAT(again.err, Contains("cannot provision 'fresh': its volumes exist"));
}

TEST_CASE("a PIN by descriptor; progress is lines where there is no terminal") {
    const Service service;
    UniqueFd pin;
    const auto made = service.run({"provision", "fresh", "--pin-fd", inheritable("2468", pin)});
    CHECK(made.status == 0);
    CHECK(made.out == "fresh: provisioned\n");
    CHECK(made.err == "provision: formatting (0%)\nprovision: file system (100%)\n");
    const auto opened =
        service.run({"unlock", "secure", "--no-start", "--pin-fd", inheritable("2468\nx", pin)});
    CHECK(opened.status == 0);
    CHECK(opened.out == "secure: unlocked\n");
    CHECK_THAT(service.run({"status", "secure"}).out, Contains("stopped"));
}

TEST_CASE("without a terminal and --pin-fd the way out is named") {
    const Service service;
    const auto r = service.run({"unlock", "secure"}, "2468\n");
    CHECK(r.status == 2);
    CHECK_THAT(r.err, Contains("standard input is not a terminal") && Contains("--pin-fd"));
    CHECK(service.run({"unlock", "secure", "--pin-fd", "999"}).status == 2);
    CHECK(service.run({"unlock", "secure", "--pin-fd", "-1"}).status == 2);
}

TEST_CASE("a mode that wants no secret is not asked for one") {
    const Service service;
    CHECK(service.run({"unlock", "device"}).out == "device: unlocked and started\n");
}

TEST_CASE("a disabled mode and one without volumes are told apart before the prompt") {
    const Service service;
    CHECK(service.run({"unlock", "broken"}).status == 4);
    CHECK(service.run({"unlock", "fresh"}).status == 6);
    CHECK(service.run({"unlock", "nobody"}).status == 3);
}

TEST_CASE("an over-long secret is refused") {
    const Service service;
    UniqueFd pin;
    const std::string secret(cli::kMaxSecret + 1, 'x');
    const auto r = service.run({"unlock", "secure", "--pin-fd", inheritable(secret, pin)});
    CHECK(r.status == 2);
    CHECK_THAT(r.err, Contains("the secret is too long"));
}
