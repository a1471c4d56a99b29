// tests: net status and net key: what they ask and print, and that no key is among it.
#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <nlohmann/json.hpp>

#include "harness.h"

using namespace pmos;

using namespace pmos::cli::test;
using Catch::Matchers::Contains;

namespace {

bool was_called(const Service& service, const std::string& member) {
    const auto calls = service.calls();
    return std::ranges::find(calls, member) != calls.end();
}

}  // namespace

TEST_CASE("net status shows every mode, its peers, and why one was lost") {
    const Service service;
    const auto all = service.run({"net", "status"});
    CHECK(all.status == 0);
    CHECK_THAT(all.out,
               Contains("tunnel") && Contains("2 KiB") && Contains("peer+key= at 192.0.2.1:51820"));
    CHECK_THAT(all.out, Contains("handshake 1m 0") && Contains("no handshake yet"));
    CHECK_THAT(all.out, Contains("secure: 3 MiB of 3 MiB today, and no more until midnight UTC"));
    CHECK_THAT(all.out, Contains("personal: somebody changed its rules\\x1b[2J"));
    const auto one = service.run({"net", "status", "secure", "--json"});
    REQUIRE(one.status == 0);
    const auto json = nlohmann::json::parse(one.out);
    REQUIRE(json.size() == 1);
    CHECK(json[0]["interface"] == "pmos0");
    CHECK(json[0]["received"] == 2048);
    CHECK(json[0]["today"]["volume"] == 3 << 20);
    CHECK(json[0]["peers"][0]["publicKey"] == "peer+key=");
    CHECK(json[0]["peers"][1]["handshake"] == 0);
    CHECK(service.run({"net", "status", "nobody"}).status == 3);
}

TEST_CASE("net top shows whom a mode speaks with, and of all modes those with a network") {
    const Service service;
    const auto all = service.run({"net", "top"});
    INFO(all.err);
    CHECK(all.status == 0);
    CHECK_THAT(all.out, Contains("[2001:db8::1]:443") && Contains("192.0.2.9:22") &&
                            Contains("from") && Contains("8 KiB"));
    CHECK_THAT(all.out, Contains("far.example\\x1b[2J (192.0.2.1)") &&
                            Contains("secure: 7 more connections to other destinations"));
    CHECK_THAT(all.out, !Contains("personal") && !Contains("/s"));
    const auto one = service.run({"net", "top", "secure", "--json"});
    REQUIRE(one.status == 0);
    const auto json = nlohmann::json::parse(one.out);
    REQUIRE(json.size() == 1);
    CHECK((json[0]["mode"] == "secure" && json[0]["others"] == 7));
    const auto& row = json[0]["destinations"][0];
    CHECK((row["direction"] == "out" && row["protocol"] == "tcp" && row["port"] == 443));
    CHECK((row["connections"] == 2 && row["received"] == 8192 && row["name"] == ""));
    CHECK_FALSE(row.contains("sentRate"));
    CHECK(service.run({"net", "top", "nobody"}).status == 3);
    const auto lost = service.run({"net", "top", "personal"});
    CHECK(lost.status != 0);
    CHECK_THAT(lost.err, Contains("has no network now"));
}

TEST_CASE("net top watches, and tells what each second brought") {
    const Service service;
    Terminal watch(service, {"net", "top", "secure", "--watch"});
    REQUIRE(watch.wait_for("KiB/s"));
    watch.signal(SIGINT);
    CHECK(watch.finish() == 128 + SIGINT);
    CHECK_THAT(watch.seen(), Contains("OUT") && Contains("\033[H"));
}

TEST_CASE("net trace has the line that refuses, and how the network does") {
    const Service service;
    const auto refused = service.run({"net", "trace", "far", "192.0.2.1:443"});
    INFO(refused.err << refused.out);
    CHECK(refused.status == 0);
    CHECK_THAT(refused.out,
               Contains("far: refused") && Contains("phone/far.json:3:58") && Contains("down"));
    const auto one = service.run({"net", "trace", "far", "192.0.2.1:443/udp", "--json"});
    REQUIRE(one.status == 0);
    const auto json = nlohmann::json::parse(one.out);
    CHECK(json["answer"]["verdict"] == "refused");
    CHECK(json["answer"]["line"] == 3);
    CHECK(json["network"]["state"] == "down");
    // It may be the one that cannot be read.
    CHECK(service.run({"net", "trace", "nobody", "192.0.2.1:443"}).status == 4);
    CHECK(service.run({"net", "trace", "far", "192.0.2.1"}).status == 2);
}

TEST_CASE("net key wants one thing said, and prints the public key") {
    const Service service;
    CHECK(service.run({"net", "key", "secure"}).status == 2);
    CHECK(service.run({"net", "key", "secure", "--new", "--show"}).status == 2);
    CHECK(service.run({"net", "key", "secure", "--show", "--key-fd", "0"}).status == 2);
    CHECK(service.run({"net", "key", "secure", "--show"}).out == "old+public=\n");
    const auto none = service.run({"net", "key", "personal", "--show"});
    CHECK(none.status == 13);
    CHECK_THAT(none.err, Contains("hint: make one with"));
    // Where there is none nobody is asked.
    CHECK(service.run({"net", "key", "personal", "--new"}).out == "made+public=\n");
}

TEST_CASE("a key that is there is replaced after a yes only") {
    const Service service;
    const auto silent = service.run({"net", "key", "secure", "--new"});
    CHECK(silent.status == 2);
    CHECK_THAT(silent.err, Contains("old+public=") && Contains("--yes"));
    CHECK_FALSE(was_called(service, "MakeKey"));
    Terminal no(service, {"net", "key", "secure", "--new"});
    REQUIRE(no.wait_for("type 'yes' to go on: "));
    no.type("n\n");
    CHECK(no.finish() == 16);
    CHECK_FALSE(was_called(service, "MakeKey"));
    CHECK(service.run({"net", "key", "secure", "--new", "--yes"}).out == "made+public=\n");
}

TEST_CASE("a key is imported from standard input, a descriptor or the terminal, and never shown") {
    const Service service;
    const Args import{"net", "key", "personal", "--import"};
    CHECK(service.run(import, "private+key=\n").out == "imported+public=\n");
    CHECK(service.run(import, "something else\n").status == 2);
    CHECK(service.run(import, "").status == 2);
    UniqueFd keep;
    Args by_fd = import;
    by_fd.insert(by_fd.end(), {"--key-fd", inheritable("private+key=", keep)});
    CHECK(service.run(by_fd).out == "imported+public=\n");
    Args closed = import;
    closed.insert(closed.end(), {"--key-fd", "77"});
    const auto refused = service.run(closed);
    CHECK(refused.status == 2);
    CHECK_THAT(refused.err, Contains("descriptor 77") && !Contains("PIN"));
    Terminal tty(service, import);
    REQUIRE(tty.wait_for("key of the tunnel of personal: "));
    tty.type("private+key=\n");
    CHECK(tty.finish() == 0);
    CHECK(tty.seen().find("private+key") == std::string::npos);
}

TEST_CASE("a preshared key is imported for the peer that is named, and never made") {
    const Service service;
    Args import{"net", "key", "personal", "--peer", "peer+key=", "--import"};
    CHECK(service.run(import, "shared+key=\n").out == "peer+key=\n");
    CHECK(service.run(import, "something else\n").status == 2);
    const auto made = service.run({"net", "key", "personal", "--peer", "peer+key=", "--new"});
    CHECK(made.status == 2);
    CHECK_THAT(made.err, Contains("wg genpsk"));
    // Of a script whose variable is not set; it must not become the tunnel's own.
    CHECK(service.run({"net", "key", "secure", "--peer", "", "--import", "--yes"}, "private+key=\n")
              .status == 2);
    CHECK_FALSE(was_called(service, "ImportKey"));
    import[2] = "secure";
    CHECK(service.run(import, "shared+key=\n").status == 5);
    import.push_back("--yes");
    CHECK(service.run(import, "shared+key=\n").out == "peer+key=\n");
    Terminal tty(service, {"net", "key", "personal", "--peer", "peer+key=", "--import"});
    REQUIRE(tty.wait_for("preshared key of personal and peer+key=: "));
    tty.type("shared+key=\n");
    CHECK(tty.finish() == 0);
    CHECK(tty.seen().find("shared+key") == std::string::npos);
}
