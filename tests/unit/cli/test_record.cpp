// tests: policy record: what the answer of pmosd becomes, against a fake one.
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "harness.h"

using namespace pmos::cli::test;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

// A mode of the fake service's, with comments to lose.
const std::string kProfile = R"({
  "pmos": 1, "mode": "secure", // who
  "root": {"image": "s.erofs"},
  "identity": {"uidRange": {"start": 200000, "count": 65536}},
  "process": {"args": ["/bin/true"]},
  /* what */ "seccomp": {"allow": ["@default"]},
  "network": "none"
}
)";

struct Directory {
    Directory() {
        char name[] = "/tmp/pmos-record-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        path = name;
        std::ofstream(path / "secure.json") << kProfile;
    }
    ~Directory() { fs::remove_all(path); }
    fs::path path;
};

}  // namespace

TEST_CASE("what was seen becomes a diff that patch(1) applies, and the rest is said") {
    const Service service;
    const Directory dir;
    const auto r =
        service.run({"policy", "record", "secure", "--for", "1s", "--dir", dir.path.string()});
    INFO(r.err);
    REQUIRE(r.status == 0);
    CHECK_THAT(r.out, Contains("--- a/secure.json\n+++ b/secure.json\n@@ "));
    CHECK_THAT(
        r.out,
        Contains("\n-  /* what */ \"seccomp\": {\"allow\": [\"@default\"]},\n") &&
            Contains("\n+  /* what */ \"seccomp\": {\"allow\": [\"@default\", \"syncfs\"]},\n"));
    CHECK_THAT(r.out, Contains("+  \"devices\": { \"camera\": \"foreground\" }\n"));
    CHECK_THAT(r.err, Contains("note: ptrace\\x1b[2J was refused while recording too: it defeats"));
    CHECK_THAT(r.err, Contains("note: 4 records were lost"));
    // Nothing was written by us.
    std::ifstream in(dir.path / "secure.json");
    CHECK(std::string(std::istreambuf_iterator<char>(in), {}) == kProfile);

    std::ofstream(dir.path / "diff") << r.out;
    const auto checked = service.run({"policy", "check", dir.path.string()});
    CHECK(checked.status == 0);
    const std::string patch = "cd " + dir.path.string() + " && patch -s -p1 <diff";
    REQUIRE(std::system(patch.c_str()) == 0);
    const auto after = service.run({"policy", "show", "secure", dir.path.string()});
    CHECK_THAT(after.out,
               Contains("// who") && Contains("\"syncfs\"") && Contains("\"foreground\""));
}

TEST_CASE("what the site policy refuses is said, and not proposed") {
    const Service service;
    const Directory dir;
    std::ofstream(dir.path / "site.json")
        << R"({"pmos": 1, "require": [{"devices": {"camera": ["none"]}}]})";
    auto r = service.run({"--json", "policy", "record", "secure", "--dir", dir.path.string()});
    INFO(r.err);
    REQUIRE(r.status == 0);
    const auto json = nlohmann::json::parse(r.out);
    CHECK(json["lost"] == 4);
    CHECK(json["seen"].size() == 3);
    CHECK_THAT(json["change"].get<std::string>(), Contains("syncfs"));
    CHECK_THAT(json["notes"].dump(), Contains("'devices/camera': 'foreground' is not proposed") &&
                                         Contains("[site-policy]") && !Contains("does not load"));
    CHECK_THAT(json["diff"].get<std::string>(), Contains("syncfs") && !Contains("camera"));

    std::ofstream(dir.path / "site.json")
        << R"({"pmos": 1, "require": [{"devices": {"camera": ["none"]}},
                                      {"syscalls": {"never": ["syncfs"]}}]})";
    r = service.run({"policy", "record", "secure", "--dir", dir.path.string()});
    CHECK(r.status == 0);
    CHECK(r.out.empty());
    CHECK_THAT(r.err, Contains("note: syncfs is not proposed: the site policy refuses it") &&
                          Contains("nothing to propose\n"));
}

TEST_CASE("where the change is to go is looked at before anything is recorded") {
    const Service service;
    const Directory dir;
    const auto recorded = [&](const std::string& path) {
        const auto r = service.run({"policy", "record", "secure", "--dir", path});
        INFO(r.err);
        CHECK(r.out.empty());
        // It says so as soon as it is going to record.
        CHECK_THAT(r.err, !Contains("recording secure"));
        return r.status;
    };
    CHECK(recorded((dir.path / "none").string()) == 13);
    fs::create_directory(dir.path / "empty");
    CHECK(recorded((dir.path / "empty").string()) == 13);
    fs::rename(dir.path / "secure.json", dir.path / "other.json");
    std::ofstream(dir.path / "secure.json") << "{";
    fs::remove(dir.path / "other.json");
    CHECK(recorded(dir.path.string()) == 4);
    std::string other = kProfile;
    other.replace(other.find("secure"), 6, "other");
    std::ofstream(dir.path / "other.json") << other;
    fs::remove(dir.path / "secure.json");
    CHECK(recorded(dir.path.string()) == 3);
}

TEST_CASE("an interrupt ends the recording that waits, and not what another has started") {
    const Service service;
    const Directory dir;
    std::string profile = kProfile;
    profile.replace(profile.find("secure"), 6, "device");
    std::ofstream(dir.path / "device.json") << profile;
    fs::remove(dir.path / "secure.json");
    Terminal terminal(service, {"policy", "record", "device", "--dir", dir.path.string()});
    REQUIRE(terminal.wait_for("Ctrl-C ends it"));
    terminal.signal(SIGINT);
    CHECK(terminal.finish() == 16);
    CHECK_THAT(terminal.seen(), Contains("called off before it began"));
    const auto modes = nlohmann::json::parse(service.run({"status", "--json"}).out);
    for (const auto& mode : modes)
        if (mode["mode"] == "device") CHECK(mode["state"] == "running");
}

TEST_CASE("what makes no sense to record is refused before or by pmosd") {
    const Service service;
    CHECK(service.run({"policy", "record", "secure", "--for", "soon"}).status == 2);
    const Directory dir;
    std::string profile = kProfile;
    profile.replace(profile.find("secure"), 6, "personal");
    std::ofstream(dir.path / "secure.json") << profile;
    const auto busy = service.run({"policy", "record", "personal", "--dir", dir.path.string()});
    CHECK(busy.status == 9);
    CHECK_THAT(busy.err, Contains("hint: stop it"));
}
