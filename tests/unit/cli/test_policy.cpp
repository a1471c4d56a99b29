// tests: policy check over files, without any service.
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/trial.h"
#include "harness.h"
#include "profiles.h"

using namespace pmos::cli::test;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
namespace fs = std::filesystem;

TEST_CASE("the shipped profiles have no errors") {
    const Service service;
    const auto r = service.run({"policy", "check", std::getenv("PROFILES")});
    CHECK(r.status == 0);
    CHECK_THAT(r.out, Contains(" 0 errors"));
}

TEST_CASE("a fault is shown with its line and a caret, why it is one, and what to do") {
    const Service service;
    const Directory dir;
    dir.write("bad.json", "{ \"pmos\": 1,\n  \"mode\": \"bad\", \"rooot\": {} }\n");
    const auto text = service.run({"policy", "check", dir.path.string()});
    CHECK(text.status == 1);
    CHECK_THAT(text.out, Contains("bad.json:2:18: error: unknown key 'rooot' [unknown-key]\n"
                                  "     2 |   \"mode\": \"bad\", \"rooot\": {} }\n"
                                  "       |                  ^\n"
                                  "    why: A key that is ignored"));
    CHECK_THAT(text.out, Contains("    hint: did you mean 'root'?\n"));
}

TEST_CASE("findings as JSON have exactly the documented fields") {
    const Service service;
    const Directory dir;
    dir.write("bad.json", "{ \"pmos\": 1,\n  \"mode\": \"bad\", \"rooot\": {} }\n");
    const auto r = service.run({"policy", "check", "--json", dir.path.string()});
    CHECK(r.status == 1);
    CHECK(r.out == service.run({"policy", "check", "--format", "json", dir.path.string()}).out);
    const auto json = nlohmann::json::parse(r.out);
    REQUIRE(json.is_array());
    REQUIRE_FALSE(json.empty());
    for (const auto& d : json) {
        std::vector<std::string> keys;
        for (const auto& [key, value] : d.items()) keys.push_back(key);
        CHECK(keys == std::vector<std::string>{"column", "file", "fix", "line", "message",
                                               "pointer", "rule", "severity"});
    }
    CHECK(json[0]["file"] == (dir.path / "bad.json").string());
    CHECK(json[0]["line"] == 2);
    CHECK(json[0]["column"] == 18);
    CHECK(json[0]["pointer"] == "/rooot");
    CHECK(json[0]["severity"] == "error");
    CHECK(json[0]["rule"] == "unknown-key");
    CHECK(json[0]["fix"] == "did you mean 'root'?");
}

TEST_CASE("a clean set is an empty array and exit 0") {
    const Service service;
    const Directory dir;
    std::string text = kGood;
    const std::string image = "\"good.erofs\"";
    text.replace(text.find(image), image.size(),
                 image + ", \"verity\": {\"rootHash\": \"" + std::string(64, 'a') + "\"}");
    dir.write("good.json", text);
    const auto r = service.run({"policy", "check", "--json", dir.path.string()});
    CHECK(r.status == 0);
    CHECK(nlohmann::json::parse(r.out) == nlohmann::json::array());
}

TEST_CASE("findings as SARIF: rules, places in characters, related places") {
    const Service service;
    const Directory dir;
    dir.write("a b.json", "{ /* \xc3\xa4 */ \"pmoss\": 1 }\n");
    dir.write("site.json", "{\"pmos\": 1, \"require\": [{\"network\": [\"tunnel\"]}]}");
    dir.write("good.json", kGood);
    const auto r = service.run({"policy", "check", "--format", "sarif", dir.path.string()});
    CHECK(r.status == 1);
    const auto sarif = nlohmann::json::parse(r.out);
    CHECK(sarif["version"] == "2.1.0");
    const auto& run = sarif["runs"][0];
    CHECK(run["columnKind"] == "unicodeCodePoints");
    const auto& rules = run["tool"]["driver"]["rules"];
    bool unknown = false, site = false;
    for (const auto& result : run["results"]) {
        CHECK(rules[result["ruleIndex"].get<std::size_t>()]["id"] == result["ruleId"]);
        const auto& place = result["locations"][0]["physicalLocation"];
        if (result["ruleId"] == "unknown-key") {
            unknown = true;
            CHECK_THAT(place["artifactLocation"]["uri"].get<std::string>(),
                       Contains("file:///") && Contains("/a%20b.json"));
            CHECK(place["region"]["startLine"] == 1);
            CHECK(place["region"]["startColumn"] == 11);  // a byte more is byte 12
        }
        if (result["ruleId"] == "site-policy") {
            site = true;
            CHECK_THAT(result["relatedLocations"][0]["physicalLocation"]["artifactLocation"]["uri"]
                           .get<std::string>(),
                       Contains("site.json"));
        }
    }
    CHECK(unknown);
    CHECK(site);
    CHECK(service.run({"policy", "check", "--format", "xml", dir.path.string()}).status == 2);
}

TEST_CASE("rules are listed and explained") {
    const Service service;
    CHECK_THAT(service.run({"policy", "rules"}).out,
               Contains("unknown-key") && Contains("weak-kdf") && Contains("warning"));
    const auto list = nlohmann::json::parse(service.run({"policy", "rules", "--json"}).out);
    CHECK(list.size() > 50);
    const auto one = service.run({"policy", "explain-rule", "weak-kdf"});
    CHECK(one.status == 0);
    CHECK_THAT(one.out, Contains("weak-kdf (warning)") && Contains("example: { \"volumes\""));
    const auto json =
        nlohmann::json::parse(service.run({"policy", "explain-rule", "weak-kdf", "--json"}).out);
    CHECK(json["severity"] == "warning");
    const auto wrong = service.run({"policy", "explain-rule", "weak-kfd"});
    CHECK(wrong.status == 2);
    CHECK_THAT(wrong.err, Contains("did you mean 'weak-kdf'?"));
}

TEST_CASE("show prints a profile, merged, with the place of every value") {
    const Service service;
    const Directory dir;
    fs::create_directory(dir.path / "blocks");
    dir.write("blocks/b.json", "{\"pmos\": 1,\n\"session\": {\"autostart\": true}}");
    std::string text = kGood;
    text.insert(text.rfind('}'), ", \"extends\": [\"blocks/b.json\"]");
    dir.write("good.json", text);
    const auto path = dir.path.string();
    CHECK(service.run({"policy", "show", "good", path}).out == text);
    const auto merged =
        nlohmann::json::parse(service.run({"policy", "show", "good", path, "--resolved"}).out);
    CHECK(merged["session"]["autostart"] == true);
    CHECK_THAT(service.run({"policy", "show", "good", path, "--origin"}).out,
               Contains(path + "/blocks/b.json:2:26") && Contains("/session/autostart = true"));
    CHECK(merged["session"]["background"] == "freeze");
    CHECK_THAT(service.run({"policy", "show", "good", path, "--origin"}).out,
               Contains("\ndefault ") && Contains(" /session/stopTimeout = \"5s\"\n"));
    const auto origins = nlohmann::json::parse(
        service.run({"policy", "show", "good", path, "--origin", "--json"}).out);
    bool found = false;
    for (const auto& value : origins)
        found = found || (value["pointer"] == "/session/autostart" && value["value"] == true &&
                          value["line"] == 2 && value["column"] == 26 &&
                          value["file"] == path + "/blocks/b.json");
    CHECK(found);
    const auto none = service.run({"policy", "show", "nobody", path});
    CHECK(none.status == 3);
    CHECK_THAT(none.err, Contains("one of: good"));
    dir.write("broken.json", "{");
    CHECK(service.run({"policy", "show", "broken", path}).status == 4);
}

TEST_CASE("explain says what a mode may do, by which line, and what would change it") {
    const Service service;
    const Directory dir;
    dir.write("good.json", kGood);
    const auto path = dir.path.string();
    const auto r =
        service.run({"policy", "explain", "--dir", path, "--mode", "good", "syscall", "ptrace"});
    CHECK(r.status == 0);
    CHECK_THAT(r.out, Contains("good: refused:") && Contains("[seccomp-not-allowed]") &&
                          Contains(path + "/good.json:3:") && Contains("^\n") &&
                          Contains("to change it: add \"ptrace\" to seccomp/allow\n") &&
                          Contains("then also: warning:"));
    const auto json = nlohmann::json::parse(
        service.run({"policy", "explain", "--dir", path, "--json", "path", "/etc/x", "write"}).out);
    REQUIRE(json.size() == 1);
    CHECK(json[0]["mode"] == "good");
    CHECK(json[0]["verdict"] == "refused");
    CHECK(json[0]["rule"] == "mount-read-only");
    CHECK(json[0]["pointer"] == "/root/image");
    const auto ask = [&](Args words) {
        Args all{"policy", "explain", "--dir", path};
        all.insert(all.end(), words.begin(), words.end());
        return service.run(all);
    };
    CHECK_THAT(ask({"syscall", "opnat"}).err, Contains("did you mean 'openat'?"));
    CHECK(ask({"syscall", "opnat"}).status == 2);
    CHECK(ask({"weather"}).status == 2);
    CHECK(ask({"path", "/x"}).status == 2);
    CHECK(ask({}).status == 2);
    CHECK(ask({"--mode", "nobody", "syscall", "read"}).status == 3);
    std::string text = kGood;
    text.replace(text.find("\"network\": \"none\""), 17,
                 R"("network": "direct", "devices": {"torch": "foreground"})");
    dir.write("good.json", text);
    CHECK_THAT(ask({"connect", "10.0.0.1:443"}).out, Contains("the mode does not start"));
}

TEST_CASE("explain understands questions in English") {
    const Service service;
    const Directory dir;
    dir.write("good.json", kGood);
    const auto ask = [&](const std::string& words) {
        return service.run({"policy", "explain", "--dir", dir.path.string(), words});
    };
    CHECK_THAT(ask("why is ptrace refused in good?").out, Contains("[seccomp-not-allowed]"));
    CHECK_THAT(ask("who may open the GPU?").out, Contains("good: refused:"));
    const auto typo = ask("may god open the GPU?");
    CHECK(typo.status == 2);
    CHECK_THAT(typo.err, Contains("what is 'god'?") && Contains("did you mean 'good'?"));
}

TEST_CASE("a file that could not be read is not taken for one that is not there") {
    const Service service;
    const Directory dir;
    dir.write("good.json", kGood);
    const auto path = dir.path.string();
    const auto asked = [&](Args args, int status) {
        const auto r = service.run(std::move(args));
        INFO(r.out);
        CHECK(r.status == status);
        return r.err;
    };
    const auto all = [&](const std::string& why) {
        CHECK_THAT(asked({"policy", "separation", path}, 4), Contains(why));
        CHECK_THAT(asked({"policy", "score", path}, 1), Contains(why));
        CHECK_THAT(asked({"policy", "explain", "--dir", path, "who may use the modem?"}, 4),
                   Contains(why));
    };
    SECTION("a profile") {
        REQUIRE(::mkfifo((dir.path / "other.json").c_str(), 0600) == 0);
        all("other.json' is broken: cannot read");
        CHECK_THAT(asked({"policy", "show", "other", path}, 4), Contains("other.json' is broken"));
        CHECK_THAT(asked({"policy", "explain", "--dir", path, "can good reach other?"}, 4),
                   Contains("other.json' is broken"));
        // What is known of one mode does not depend on it.
        CHECK(asked({"policy", "show", "good", path}, 0).empty());
        CHECK(asked({"policy", "explain", "--dir", path, "-m", "good", "syscall", "ptrace"}, 0)
                  .empty());
    }
    SECTION("the owner's demands") {
        dir.write("site.json", R"({"pmos": 1, "requir": []})");
        all("site.json' is broken: unknown key 'requir'");
    }
    SECTION("a profile that is broken") {
        dir.write("other.json", "{");
        CHECK_THAT(asked({"policy", "explain", "--dir", path, "who may use the modem?"}, 4),
                   Contains("other.json' is broken"));
    }
}

TEST_CASE("an argument that is missing is named as the help names it") {
    const Service service;
    CHECK_THAT(service.run({"policy", "show"}).err, StartsWith("pmosctl: MODE is required"));
}

TEST_CASE("score shows a table for each mode, and says which has none") {
    const Service service;
    const Directory dir;
    dir.write("good.json", kGood);
    const auto path = dir.path.string();
    const auto r = service.run({"policy", "score", path});
    CHECK(r.status == 0);
    CHECK_THAT(r.out, Contains("good: ") && Contains(" of 10, low\n") && Contains("WHAT") &&
                          Contains("system calls") && Contains("good.json:3:"));
    const auto json = nlohmann::json::parse(service.run({"policy", "score", path, "--json"}).out);
    REQUIRE(json.size() == 1);
    CHECK(json[0]["mode"] == "good");
    CHECK(json[0]["rows"].size() >= 10);
    dir.write("broken.json", "{");
    const auto broken = service.run({"policy", "score", path});
    CHECK(broken.status == 1);
    CHECK_THAT(broken.out, Contains("good: "));
    CHECK_THAT(broken.err, Contains("broken.json' is broken"));
}

TEST_CASE("separation shows flows with both lines, and its exit status tells a build system") {
    const Service service;
    const Directory dir;
    dir.write("good.json", kGood);
    const auto path = dir.path.string();
    const auto alone = service.run({"policy", "separation", path});
    CHECK(alone.status == 0);
    CHECK_THAT(alone.out, Contains("1 mode: good\n") && Contains("no flow that nobody controls"));

    const auto share = [&](const std::string& name, const std::string& id) {
        std::string text = kGood;
        const auto swap = [&](const std::string& what, const std::string& with) {
            for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 99))
                text.replace(at, what.size(), with);
        };
        swap("\"good\"", "\"" + name + "\"");
        swap("200000", id);
        text.replace(text.find(".erofs"), 6, name + ".erofs");
        text.replace(text.find("\"network\""), 9,
                     R"("mounts": [{"type": "bind", "source": "/srv/x", "target": "/x"}],)"
                     "\n\"network\"");
        dir.write(name + ".json", text);
    };
    share("games", "400000");
    share("work", "500000");
    const auto r = service.run({"policy", "separation", path, "--all"});
    CHECK(r.status == 1);
    CHECK_THAT(r.out, Contains("games <-> work: open tree '/srv/x'\n") && Contains("games.json:") &&
                          Contains("work.json:") && Contains("2 flows that nobody controls"));
    const auto json =
        nlohmann::json::parse(service.run({"policy", "separation", path, "--json"}).out);
    CHECK(json["separate"] == false);
    REQUIRE(json["flows"].size() == 2);
    CHECK(json["flows"][0]["from"]["pointer"] == "/mounts/0");
    CHECK_THAT(service.run({"policy", "check", path}).out, Contains("[open-flow]"));
    dir.write("broken.json", "{");
    CHECK(service.run({"policy", "separation", path}).status == 4);  // the mode is disabled
}

TEST_CASE("what is no regular file is a finding, does not block, and hides no other finding") {
    const Service service;
    const Directory dir;
    dir.write("bad.json", "{}");
    const auto fifo = (dir.path / "fifo.json").string();
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    const auto link = (dir.path / "link.json").string();
    REQUIRE(::symlink("/etc/passwd", link.c_str()) == 0);
    dir.write("large.json", std::string((1U << 20) + 1, ' '));
    REQUIRE(::truncate(dir.write("huge.json", "").c_str(), 100LL << 20) == 0);
    const auto r = service.run({"policy", "check", dir.path.string()});
    CHECK(r.status == 1);
    CHECK_THAT(r.out, Contains("fifo.json: error: cannot read") &&
                          Contains("it is not a regular file [unreadable-profile]"));
    CHECK_THAT(r.out, Contains("it is a symbolic link [unreadable-profile]"));
    CHECK_THAT(r.out, Contains("large.json") && Contains("larger than 1024 KiB"));
    CHECK_THAT(r.out, Contains("huge.json: error"));
    CHECK_THAT(r.out, Contains("bad.json:1:1: error: 'pmos' is missing"));
    CHECK(service.run({"policy", "check", "/dev/zero"}).status == 1);
    CHECK(service.run({"policy", "check", "/nonexistent.json"}).status == 13);
}

TEST_CASE("a block is no link and no link leads to it") {
    const Service service;
    const Directory dir;
    std::string text = kGood;
    text.insert(text.rfind('}'), ", \"extends\": [\"blocks/b.json\"]");
    dir.write("good.json", text);
    const Directory other;
    other.write("b.json", "{\"pmos\": 1}");
    REQUIRE(::symlink(other.path.c_str(), (dir.path / "blocks").c_str()) == 0);
    const auto through = service.run({"policy", "check", dir.path.string()});
    CHECK(through.status == 1);
    CHECK_THAT(through.out, Contains("[bad-extends]") && Contains("symbolic link"));
    fs::remove(dir.path / "blocks");
    fs::create_directory(dir.path / "blocks");
    REQUIRE(::symlink((other.path / "b.json").c_str(), (dir.path / "blocks/b.json").c_str()) == 0);
    CHECK(service.run({"policy", "check", dir.path.string()}).status == 1);
    fs::remove(dir.path / "blocks/b.json");
    dir.write("blocks/b.json", "{\"pmos\": 1}");
    CHECK(service.run({"policy", "check", dir.path.string()}).status == 0);
}

TEST_CASE("a site policy that cannot be read leaves no mode standing") {
    const Service service;
    const Directory dir;
    dir.write("good.json", kGood);
    REQUIRE(::mkfifo((dir.path / "site.json").c_str(), 0600) == 0);
    const auto r = service.run({"policy", "check", (dir.path / "good.json").string()});
    CHECK(r.status == 1);
    CHECK_THAT(r.out, Contains("[unreadable-site-policy]"));
    CHECK(service.run({"policy", "show", "good", dir.path.string()}).status == 4);
}

TEST_CASE("an attempt's call is numbered by its name") {
    using pmos::cli::numbered_attempt;
    CHECK(*numbered_attempt("read /a b") == "read /a b");
    CHECK(*numbered_attempt("judge 101 1") == "judge 101 1");
#if defined(__x86_64__)
    CHECK(*numbered_attempt("judge ptrace") == "judge 101");
    CHECK(*numbered_attempt("call ptrace 0 0x10") == "call 101 0 0x10");
#endif
    CHECK(numbered_attempt("judge ptrac").error().fix == "did you mean 'ptrace'?");
    CHECK_FALSE(numbered_attempt("read /a\nwrite /b").has_value());
}
