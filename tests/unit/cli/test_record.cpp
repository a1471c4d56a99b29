// tests: policy record: what the answer of pmosd becomes, against a fake one.
#include <catch2/catch.hpp>
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
    CHECK_THAT(r.out, Contains("+  \"devices\": { \"modem\": \"port\" }\n"));
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
    CHECK_THAT(after.out, Contains("// who") && Contains("\"syncfs\"") && Contains("\"port\""));
}

TEST_CASE("a proposal that the site policy refuses says so") {
    const Service service;
    const Directory dir;
    std::ofstream(dir.path / "site.json")
        << R"({"pmos": 1, "require": [{"devices": {"modem": ["none"]}}]})";
    const auto r =
        service.run({"--json", "policy", "record", "secure", "--dir", dir.path.string()});
    INFO(r.err);
    REQUIRE(r.status == 0);
    const auto json = nlohmann::json::parse(r.out);
    CHECK(json["lost"] == 4);
    CHECK(json["seen"].size() == 3);
    CHECK_THAT(json["change"].get<std::string>(), Contains("syncfs"));
    CHECK_THAT(json["notes"].dump(), Contains("does not load") && Contains("[site-policy]"));
}

TEST_CASE("what makes no sense to record is refused before or by pmosd") {
    const Service service;
    CHECK(service.run({"policy", "record", "secure", "--for", "soon"}).status == 2);
    const auto busy = service.run({"policy", "record", "personal"});
    CHECK(busy.status == 9);
    CHECK_THAT(busy.err, Contains("hint: stop it"));
}
