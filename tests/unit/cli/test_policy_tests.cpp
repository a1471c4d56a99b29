// tests: policy test over files, and what it says of a phone whose modes are not up.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "harness.h"
#include "profiles.h"

using namespace pmos::cli::test;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
namespace fs = std::filesystem;

TEST_CASE("policy test shows what fails with both lines, and its status tells a build system") {
    const Service service;
    const Directory dir;
    dir.write("good.json", kGood);
    const auto path = dir.path.string();
    const auto none = service.run({"policy", "test", path});
    CHECK(none.status == 13);
    CHECK_THAT(none.err, Contains("no expectations in"));
    fs::create_directory(dir.path / "tests");
    dir.write("tests/a.json", R"({"pmos": 1, "expect": [
{"why": "nobody traces", "is": "refused", "syscalls": ["ptrace"]},
{"why": "it could write its image", "is": "allowed",
 "paths": ["/etc/x"], "access": "write"}]})");
    const auto r = service.run({"policy", "test", path});
    CHECK(r.status == 1);
    CHECK_THAT(r.out,
               Contains("ok      nobody traces (1)\n") &&
                   Contains("FAIL    good: path /etc/x write: expected allowed, is refused") &&
                   Contains("tests/a.json:4:12:") && Contains("good.json:1:") &&
                   Contains("[mount-read-only]") && Contains("1 passed, 1 failed, 0 pending\n"));
    const auto json = nlohmann::json::parse(service.run({"policy", "test", path, "--json"}).out);
    REQUIRE(json.size() == 2);
    CHECK(json[1]["outcome"] == "failed");
    CHECK(json[1]["at"]["line"] == 4);
    CHECK(json[1]["decidedBy"]["pointer"] == "/root/image");
    CHECK_THAT(service.run({"policy", "test", path, "--format", "tap"}).out,
               Contains("1..2\nok 1 - good: syscall ptrace\nnot ok 2 - "));
    dir.write("tests/a.json", R"({"pmos": 1, "expect": [{"why": "w", "is": "no"}]})");
    const auto bad = service.run({"policy", "test", path});
    CHECK(bad.status == 1);
    CHECK_THAT(bad.out, Contains("[bad-value]") && Contains("tests/a.json:1:"));
}

TEST_CASE("on a phone, what was not tried for want of a mode is no pass") {
    const Service service;
    const Directory dir;
    std::string profile = kGood;
    profile.replace(profile.find("\"good\""), 6, "\"secure\"");
    dir.write("secure.json", profile);
    fs::create_directory(dir.path / "tests");
    dir.write("tests/a.json", R"({"pmos": 1, "expect": [
{"why": "nobody traces", "is": "refused", "syscalls": ["ptrace"]},
{"why": "nobody is traced", "is": "refused", "modes": ["secure"],
 "foreground": "secure", "syscalls": ["ptrace"]}]})");
    const auto with = [&](std::initializer_list<const char*> more) {
        Args args{"policy", "test", "--on-device", dir.path.string()};
        args.insert(args.end(), more.begin(), more.end());
        return service.run(args);
    };
    const auto r = with({});
    INFO(r.out << r.err);
    CHECK(r.status == 11);
    CHECK_THAT(r.out, Contains("NOT UP  secure: 2 not tried: it is locked\n") &&
                          Contains("on this phone: 0 tried, 0 disagree, 0 not tried, "
                                   "2 of modes not up\n"));
    const auto json = nlohmann::json::parse(with({"--json"}).out);
    CHECK(json[0]["device"]["verdict"] == "not-up");
    const auto tap = with({"--format", "tap"});
    CHECK(tap.status == 11);
    CHECK_THAT(tap.out, Contains("not ok 1 - secure: syscall ptrace: not tried, secure is not up"));
    // A policy that is wrong comes first.
    dir.write("tests/a.json", R"({"pmos": 1, "expect": [
{"why": "everybody traces", "is": "allowed", "syscalls": ["ptrace"]}]})");
    CHECK(with({}).status == 1);
}

TEST_CASE("one mode alone can pass on a phone whose other mode is not up") {
    const Service service;
    const Directory dir;
    for (const std::string mode : {"personal", "secure"}) {
        std::string profile = kGood;
        profile.replace(profile.find("\"good\""), 6, '"' + mode + '"');
        profile.replace(profile.find("good.erofs"), 4, mode);
        if (mode == "secure") profile.replace(profile.find("200000"), 6, "300000");
        dir.write(mode + ".json", profile);
    }
    fs::create_directory(dir.path / "tests");
    // Of what is expected of personal nothing is tried here: a flow takes two modes, and the other
    // needs secure.
    dir.write("tests/a.json", R"({"pmos": 1, "expect": [
{"why": "nobody hears", "is": "refused", "modes": ["personal"], "hears": ["secure"]},
{"why": "it is frozen then", "is": "refused", "modes": ["personal"],
 "foreground": "secure", "syscalls": ["ptrace"]},
{"why": "nobody traces", "is": "refused", "modes": ["secure"], "syscalls": ["ptrace"]}]})");
    const auto with = [&](std::initializer_list<const char*> more) {
        Args args{"policy", "test", dir.path.string()};
        args.insert(args.end(), more.begin(), more.end());
        return service.run(args);
    };
    CHECK_THAT(with({}).out, Contains("3 passed, 0 failed, 0 pending\n"));
    CHECK_THAT(with({"--mode", "personal"}).out, Contains("2 passed, 0 failed, 0 pending\n"));
    CHECK_THAT(with({"-m", "personal", "-m", "secure"}).out, Contains("3 passed"));
    CHECK(with({"--on-device"}).status == 11);
    auto r = with({"--on-device", "--mode", "personal"});
    INFO(r.out << r.err);
    CHECK(r.status == 0);
    CHECK_THAT(r.out, Contains("LEFT OUT secure: 1 not tried: they need it in the foreground, and "
                               "it is locked\n") &&
                          Contains("0 of modes not up, 1 left out\n") && !Contains("NOT UP"));
    r = with({"--on-device", "--mode", "personal", "--json"});
    CHECK(nlohmann::json::parse(r.out)[1]["device"]["verdict"] == "left-out");
    CHECK_THAT(with({"--on-device", "--mode", "personal", "--format", "tap"}).out,
               Contains(" # SKIP not tried, secure is not up and --mode leaves it out"));
    r = with({"--on-device", "--mode", "secure"});
    CHECK(r.status == 11);
    CHECK_THAT(r.out, Contains("NOT UP  secure: 1 not tried: it is locked\n"));
    r = with({"--mode", "persnal"});
    CHECK(r.status != 0);
    CHECK_THAT(r.err, Contains("there is no mode 'persnal'"));
    dir.write("tests/a.json", R"({"pmos": 1, "expect": [
{"why": "nobody traces", "is": "refused", "modes": ["secure"], "syscalls": ["ptrace"]}]})");
    r = with({"--mode", "personal"});
    CHECK(r.status != 0);
    CHECK_THAT(r.err, Contains("no expectation is about 'personal'"));
}

TEST_CASE("policy test names what a misspelt mode was to be") {
    const Service service;
    const Directory dir;
    dir.write("good.json", kGood);
    fs::create_directory(dir.path / "tests");
    dir.write("tests/a.json", R"({"pmos": 1, "expect": [
{"why": "w", "is": "refused", "foreground": "goood", "syscalls": ["ptrace"]}]})");
    const auto r = service.run({"policy", "test", dir.path.string()});
    CHECK(r.status == 1);
    CHECK_THAT(r.out, Contains("tests/a.json:2:45: error: there is no mode 'goood'") &&
                          Contains("did you mean 'good'?"));
}

TEST_CASE("faults of tests do not spoil what a program reads") {
    const Service service;
    const Directory dir;
    dir.write("good.json", kGood);
    fs::create_directory(dir.path / "tests");
    dir.write("tests/a.json", "{");
    const auto path = dir.path.string();
    const auto json = service.run({"policy", "test", path, "--json"});
    CHECK(json.status == 1);
    CHECK(json.out == "[]\n");
    CHECK_THAT(json.err, Contains("tests/a.json:1:"));
    const auto tap = service.run({"policy", "test", path, "--format", "tap"});
    CHECK(tap.status == 1);
    CHECK_THAT(tap.out, StartsWith("Bail out! "));
}

TEST_CASE("the shipped promises hold") {
    const Service service;
    const auto r = service.run({"policy", "test", std::getenv("PROFILES")});
    CHECK(r.status == 0);
    CHECK_THAT(r.out, Contains(" 0 failed, 0 pending\n"));
}
