// tests: erase and the duress PIN: what they ask and say, and how they exit.
#include <catch2/catch.hpp>

#include "harness.h"

using namespace pmos;

using namespace pmos::cli::test;
using Catch::Matchers::Contains;

TEST_CASE("erase wants consent, and says how the mode is made anew") {
    const Service service;
    const auto silent = service.run({"erase", "secure"});
    CHECK(silent.status == 2);
    CHECK_THAT(silent.err, Contains("--yes"));
    Terminal tty(service, {"erase", "secure"});
    REQUIRE(tty.wait_for("type 'yes' to go on: "));
    tty.type("y\n");
    CHECK(tty.finish() == 16);
    const auto done = service.run({"erase", "secure", "--yes"});
    CHECK(done.status == 0);
    CHECK_THAT(done.out, Contains("pmosctl provision secure"));
    CHECK(service.run({"erase", "nobody", "--yes"}).status == 3);
}

TEST_CASE("a duress PIN goes by a descriptor of its own, beside the PIN") {
    const Service service;
    UniqueFd pin, duress;
    const std::string p = inheritable("2468", pin), d = inheritable("97531", duress);
    const auto set = [&](const std::string& right, const std::string& other) {
        return service.run(
            {"duress", "set", "secure", "--pin-fd", right, "--duress-pin-fd", other});
    };
    CHECK(set(p, p).status == 2);
    const auto done = set(p, d);
    CHECK(done.status == 0);
    CHECK_THAT(done.out, Contains("erases it from now on"));
    UniqueFd wrong, again;
    CHECK(set(inheritable("0000", wrong), inheritable("97531", again)).status == 8);
    CHECK(
        service.run({"duress", "remove", "secure", "--pin-fd", inheritable("2468", pin)}).status ==
        0);
    CHECK(service.run({"duress", "remove", "secure", "--pin-fd", inheritable("0000", wrong)})
              .status == 8);
}

TEST_CASE("a mode that no PIN opens has no duress PIN") {
    const Service service;
    UniqueFd keep;
    const auto none =
        service.run({"duress", "remove", "personal", "--pin-fd", inheritable("2468", keep)});
    CHECK(none.status == 2);
    CHECK_THAT(none.err, Contains("no volume that wants a PIN") && Contains("it has no volume"));
}

TEST_CASE("the duress PIN is asked for twice and never shown") {
    const Service service;
    Terminal tty(service, {"duress", "set", "secure"});
    REQUIRE(tty.wait_for("PIN for secure: "));
    tty.type("2468\n");
    for (const char* prompt : {"duress PIN for secure: ", "once more: "}) {
        REQUIRE(tty.wait_for(prompt));
        tty.type("97531\n");
    }
    CHECK(tty.finish() == 0);
    CHECK(tty.seen().find("97531") == std::string::npos);
}
