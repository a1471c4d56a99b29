// tests: policy diff as a person runs it: over files, directories, revisions, bundles, a fake
// phone.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "place.h"

using namespace pmos::cli::test;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

std::string profile(const std::string& mode, unsigned ids, const std::string& more = "") {
    return R"({"pmos": 1, "mode": ")" + mode + R"(", "extends": ["blocks/b.json"],
"root": {"image": ")" +
           mode + R"(.erofs"}, "identity": {"uidRange": {"start": )" + std::to_string(ids) +
           R"(, "count": 65536}}, "process": {"args": ["/bin/true"]},
"seccomp": {"allow": ["@system-service"]})" +
           more + "}";
}

// Two directories of profiles, "a" and "b", alike until somebody writes into one.
struct Desk : Place {
    Desk() {
        for (const std::string side : {"a", "b"}) {
            fs::create_directories(dir / side / "blocks");
            write(side + "/one.json", profile("one", 200000));
            write(side + "/two.json", profile("two", 300000));
            write(side + "/site.json",
                  R"({"pmos": 1, "require": [{"capabilities": {"never": ["CAP_BPF"]}}]})");
            write(side + "/blocks/b.json", R"({"pmos": 1, "network": "none"})");
        }
    }
    Outcome diff(const std::string& a, const std::string& b, Args more = {}) const {
        Args args{"policy", "diff", a, b};
        args.insert(args.end(), more.begin(), more.end());
        return run(std::move(args));
    }
    // A program in the desk's directory; what it says does not matter.
    void sh(const std::string& script) const {
        const pid_t pid =
            spawn({"/bin/sh", "-ec", "cd '" + dir.string() + "'\nexec >/dev/null 2>&1\n" + script},
                  0, 1, 2);
        REQUIRE(wait_status(pid) == 0);
    }
    // Runs in a directory of the desk: git looks for its repository there.
    Outcome diff_in(const std::string& place, const std::string& a, const std::string& b) const {
        const auto before = fs::current_path();
        fs::current_path(dir / place);
        auto r = diff(a, b);
        fs::current_path(before);
        return r;
    }
};

constexpr const char* kMicrophone = R"(, "devices": {"audio": {"capture": "background"}})";

}  // namespace

TEST_CASE("policies that mean the same") {
    const Desk desk;
    desk.write("b/blocks/b.json", "{ \"pmos\": 1,\n\n \"network\": \"none\" }");
    const auto r = desk.diff(desk.path("a"), desk.path("b"));
    INFO(r.err);
    CHECK(r.status == 0);
    CHECK_THAT(r.out, Contains("they mean the same"));
    CHECK(desk.diff(desk.path("a"), desk.path("b"), {"--json"}).out == "[]\n");
}

TEST_CASE("gains first, each with both places, and the other way round") {
    const Desk desk;
    desk.write("b/one.json", profile("one", 200000, kMicrophone));
    desk.write("b/blocks/b.json", R"({"pmos": 1, "network": "loopback"})");
    desk.write("b/site.json", R"({"pmos": 1, "require": []})");
    const auto r = desk.diff(desk.path("a"), desk.path("b"));
    CHECK(r.status == 1);
    CHECK_THAT(r.out, Contains("from " + desk.path("a") + " to " + desk.path("b")) &&
                          Contains("\n+ serious: one gains the microphone in the background\n") &&
                          Contains("+ serious: the owner no longer demands of every mode: none of "
                                   "these capabilities: CAP_BPF\n") &&
                          Contains("+ slight: two has a loopback of its own instead of no network\n"
                                   "    a: " +
                                   desk.path("a/blocks/b.json") +
                                   ":1:24\n    b: " + desk.path("b/blocks/b.json") + ":1:24\n"));
    CHECK(r.out.find("serious") < r.out.find("slight"));
    const auto back = desk.diff(desk.path("b"), desk.path("a"), {"--json"});
    CHECK(back.status == 1);
    const auto json = nlohmann::json::parse(back.out);
    const auto it = std::find_if(json.begin(), json.end(),
                                 [](const auto& c) { return c["what"] == "audio/capture"; });
    REQUIRE(it != json.end());
    CHECK((*it)["turn"] == "loss");
    CHECK((*it)["danger"] == "none");
    CHECK((*it)["kind"] == "device");
    CHECK((*it)["mode"] == "one");
    CHECK((*it)["a"]["pointer"] == "/devices/audio/capture");
}

TEST_CASE("a profile that is broken on one side is trouble, not a loss") {
    const Desk desk;
    desk.write("b/one.json", R"({"pmos": 1, "mode": "one", "rooot": {}})");
    auto r = desk.diff(desk.path("a"), desk.path("b"));
    CHECK(r.status == 2);
    CHECK_THAT(r.out, Contains("one cannot be compared: ") && !Contains("one is gone") &&
                          !Contains("loses"));
    fs::remove(desk.dir / "b/one.json");
    REQUIRE(::mkfifo(desk.path("b/one.json").c_str(), 0600) == 0);
    r = desk.diff(desk.path("a"), desk.path("b"));
    CHECK(r.status == 2);
    CHECK_THAT(r.out, Contains("one cannot be compared: ") && Contains("not a regular file") &&
                          !Contains("one is gone"));
    fs::remove(desk.dir / "b/one.json");
    r = desk.diff(desk.path("a"), desk.path("b"));
    CHECK(r.status == 1);
    CHECK_THAT(r.out, Contains("- the mode one is gone"));
    desk.write("b/site.json", "{");
    CHECK_THAT(desk.diff(desk.path("a"), desk.path("b")).out,
               Contains("the demands of the owner cannot be compared"));
}

TEST_CASE("one profile is compared with the mode of its name") {
    const Desk desk;
    fs::create_directories(desk.dir / "new/blocks");
    desk.write("new/one.json", profile("one", 200000, kMicrophone));
    desk.write("new/blocks/b.json", R"({"pmos": 1, "network": "none"})");
    const auto r = desk.diff(desk.path("a"), desk.path("new/one.json"));
    CHECK(r.status == 1);
    CHECK_THAT(r.out,
               Contains("one gains the microphone") && !Contains("two") && !Contains("owner"));
    CHECK(desk.diff(desk.path("a/one.json"), desk.path("b")).status == 0);
}

TEST_CASE("what is not there is trouble") {
    const Desk desk;
    const auto r = desk.diff_in("a", desk.path("a"), "nowhere");
    CHECK(r.status == 2);
    CHECK_THAT(r.err, Contains("cannot read 'nowhere'") && Contains("hint: "));
    CHECK(desk.run({"policy", "diff", desk.path("a")}).status == 2);
    const auto site = desk.diff(desk.path("a/site.json"), desk.path("b/site.json"));
    CHECK(site.status == 2);
    CHECK_THAT(site.err, Contains("is no profile") && Contains("name its directory"));
}

TEST_CASE("revisions are read without the work tree") {
    const Desk desk;
    desk.sh(
        "mkdir -p repo && mv a repo/profiles && cd repo && git init -q . && git add -A &&"
        "git -c user.name=t -c user.email=t@t -c commit.gpgsign=false commit -qm one");
    desk.write("repo/profiles/one.json", profile("one", 200000, kMicrophone));
    desk.sh(
        "cd repo && git -c user.name=t -c user.email=t@t -c commit.gpgsign=false "
        "commit -qam two");
    // Nothing of the work tree counts, nor what its configuration would have git run.
    desk.write("repo/profiles/one.json", "{");
    desk.sh(
        "cd repo && git config core.fsmonitor 'touch ../ran; false' && "
        "git config core.pager 'touch ../ran' && git status --porcelain >../before");
    auto r = desk.diff_in("repo", "HEAD~1:profiles", "HEAD:profiles");
    INFO(r.err << r.out);
    CHECK(r.status == 1);
    CHECK_THAT(r.out, Contains("from HEAD~1:profiles to HEAD:profiles") &&
                          Contains("one gains the microphone in the background") &&
                          Contains("b: HEAD:profiles/one.json:"));
    fs::remove(desk.dir / "ran");  // by the test's own git status
    CHECK(desk.diff_in("repo", "HEAD~1", "HEAD").out.find("one gains the microphone") !=
          std::string::npos);
    CHECK_FALSE(fs::exists(desk.dir / "ran"));
    CHECK(desk.diff_in("repo/profiles", "HEAD:./", "HEAD:profiles").status == 0);
    CHECK(desk.diff_in("repo", "HEAD", "HEAD").status == 0);
    r = desk.diff_in("repo", "HEAD~1:profiles/one.json", "HEAD:profiles");
    CHECK(r.status == 1);
    CHECK_THAT(r.out, Contains("one gains") && !Contains("two"));
    // From where we are, as git has it; beside a profile there are its blocks.
    r = desk.diff_in("repo/profiles", "HEAD~1:./one.json", "HEAD:./one.json");
    INFO(r.err << r.out);
    CHECK(r.status == 1);
    CHECK_THAT(r.out, Contains("from HEAD~1:. to HEAD:.") && Contains("one gains") &&
                          Contains("b: HEAD:./one.json:"));
    CHECK(desk.diff_in("repo", "HEAD:./profiles/one.json", "HEAD:profiles/one.json").status == 0);
    for (const std::string up : {"../one.json", "../../profiles/one.json", "..", "../", "./.."}) {
        INFO(up);
        r = desk.diff_in("repo/profiles/blocks", "HEAD~1:" + up, "HEAD:" + up);
        CHECK(r.status == 1);
        CHECK_THAT(r.out, Contains("one gains"));
    }
    CHECK(desk.diff_in("repo", "HEAD:../one.json", "HEAD").status == 2);
    // The work tree itself is broken by now.
    CHECK(desk.diff_in("repo", "HEAD", "profiles").status == 2);
    for (const std::string bad :
         {"HEAD~9", "HEAD:nothing", "HEAD:profiles/blocks/..", "HEAD:profiles/site.json",
          "--output=x", ":profiles", "HEAD^{/a b"}) {
        INFO(bad);
        r = desk.diff_in("repo", bad, "HEAD");
        CHECK(r.status == 2);
    }
    CHECK_FALSE(fs::exists(desk.dir / "repo/x"));
    // What is not here is not fetched, whatever the repository allows, nor by a git that knows
    // nothing of GIT_NO_LAZY_FETCH.
    desk.sh(
        "cp -r repo far && cd far && git config extensions.partialClone far && "
        "git config remote.far.promisor true && git config protocol.ext.allow always && "
        "git config remote.far.url \"ext::touch $PWD/../ran\" && "
        "o=$(git rev-parse HEAD:profiles/one.json) && "
        "rm -f .git/objects/$(printf %.2s $o)/${o#??} && "
        "if git cat-file -e $o; then exit 1; fi && test -e ../ran && "
        "mkdir ../bin && cd ../bin && "
        "printf '#!/bin/sh\nunset GIT_NO_LAZY_FETCH\nexec %s \"$@\"\n' $(command -v git) >git && "
        "chmod 755 git");
    const std::string path = ::getenv("PATH");
    for (const auto& first : {path, desk.path("bin") + ":" + path}) {
        fs::remove(desk.dir / "ran");
        REQUIRE(::setenv("PATH", first.c_str(), 1) == 0);
        CHECK(desk.diff_in("far", "HEAD", "HEAD~1").status == 2);
        CHECK_FALSE(fs::exists(desk.dir / "ran"));
    }
    REQUIRE(::setenv("PATH", path.c_str(), 1) == 0);
    // A link in the tree is not followed.
    desk.sh(
        "cd repo && git checkout -q -- . && ln -s two.json profiles/three.json && git add -A &&"
        "git -c user.name=t -c user.email=t@t -c commit.gpgsign=false commit -qm three");
    r = desk.diff_in("repo", "HEAD~1", "HEAD");
    CHECK(r.status == 2);
    CHECK_THAT(r.out, Contains("three cannot be compared: it is not a regular file"));
}

TEST_CASE("a bundle is compared once its signature is good") {
    const Desk desk;
    for (const char* sub : {"images", "hooks"}) fs::create_directories(desk.dir / sub);
    for (const char* image : {"images/one.erofs", "images/two.erofs"}) desk.write(image, "x");
    REQUIRE(desk.run({"policy", "keygen", desk.path("k")}).status == 0);
    REQUIRE(desk.run({"policy", "keygen", desk.path("other")}).status == 0);
    const auto packed = desk.run({"policy", "pack", desk.path("a"), "-o", desk.path("bundle"),
                                  "--name", "acme", "--version", "3", "--images",
                                  desk.path("images"), "--hooks", desk.path("hooks")});
    INFO(packed.err << packed.out);
    REQUIRE(packed.status == 0);
    const Args key{"--key", desk.path("k.pub")};
    auto r = desk.diff(desk.path("bundle"), desk.path("b"), key);
    CHECK(r.status == 2);
    CHECK_THAT(r.err, Contains("it is not signed"));
    REQUIRE(desk.run({"policy", "sign", desk.path("bundle"), "--key", desk.path("k.key")}).status ==
            0);
    r = desk.diff(desk.path("bundle"), desk.path("b"), key);
    INFO(r.err << r.out);
    CHECK(r.status == 0);
    CHECK(
        desk.diff(desk.path("bundle"), desk.path("b"), {"--key", desk.path("other.pub")}).status ==
        2);
    desk.write("b/one.json", profile("one", 200000, kMicrophone));
    r = desk.diff(desk.path("bundle"), desk.path("b"), key);
    CHECK(r.status == 1);
    CHECK_THAT(r.out, Contains("one gains the microphone") && Contains("a: acme@3/one.json:"));
}

TEST_CASE("the phone is compared by what pmosd has read") {
    const Desk desk;
    fs::create_directories(desk.dir / "c");
    desk.write("c/far.json", R"({"pmos": 1, "mode": "far", "root": {"image": "far.erofs"},
"identity": {"uidRange": {"start": 200000, "count": 65536}}, "process": {"args": ["/bin/true"]},
"seccomp": {"allow": ["@default"]}, "network": "none"})");
    // The fake phone has "far", which reads a block, and a file that could not be read.
    const auto r = desk.diff("phone", desk.path("c"));
    INFO(r.err << r.out);
    CHECK(r.status == 2);
    CHECK_THAT(r.out, Contains("from the phone to ") &&
                          Contains("- far has no network instead of a loopback of its own\n"
                                   "    a: phone/blocks/b.json:1:24\n") &&
                          Contains("lost cannot be compared: cannot read it (phone/lost.json)"));
}
