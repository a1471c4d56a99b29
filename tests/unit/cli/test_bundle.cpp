// tests: keygen, pack, sign and verify as a person runs them.
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cli/policy_files.h"
#include "place.h"
#include "policy/bundle.h"

using namespace pmos::cli::test;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

const std::string kProfile = R"({"pmos": 1, "mode": "good", "extends": ["blocks/b.json"],
"root": {"image": "good.erofs"}, "identity": {"uidRange": {"start": 200000, "count": 65536}},
"process": {"args": ["/bin/true"]}, "seccomp": {"allow": ["@system-service"]},
"resources": {"memory": {"max": "1GiB"}, "pids": {"max": 64}},
"hooks": {"preStart": ["check"]}})";

// An author's desk: profiles, what they name, a key.
struct Desk : Place {
    Desk() {
        for (const char* sub : {"p/blocks", "images", "hooks"}) fs::create_directories(dir / sub);
        write("p/good.json", kProfile);
        write("p/blocks/b.json", R"({"pmos": 1, "network": "none"})");
        write("p/blocks/unused.json", R"({"pmos": 1})");
        write("p/site.json", R"({"pmos": 1, "require": []})");
        write("images/good.erofs", "an image");
        write("hooks/check", "#!/bin/sh\n");
        REQUIRE(run({"policy", "keygen", path("k")}).status == 0);
    }
    Outcome pack(const std::string& name = "b", const std::string& version = "3") const {
        return run({"policy", "pack", path("p"), "-o", path(name), "--name", "acme", "--version",
                    version, "--images", path("images"), "--hooks", path("hooks")});
    }
    Outcome sign(const std::string& name = "b", const std::string& key = "k.key") const {
        return run({"policy", "sign", path(name), "--key", path(key)});
    }
    Outcome verify(Args more = {}) const {
        Args args{"policy", "verify", path("b"), "--key", path("k.pub")};
        args.insert(args.end(), more.begin(), more.end());
        return run(std::move(args));
    }
};

}  // namespace

TEST_CASE("pack, sign and verify") {
    const Desk desk;
    auto r = desk.pack();
    INFO(r.err);
    REQUIRE(r.status == 0);
    CHECK_THAT(r.out, Contains("acme@3, 3 files, 2 pins"));
    r = desk.verify();
    CHECK(r.status == 14);
    CHECK_THAT(r.err, Contains("it is not signed"));
    REQUIRE(desk.sign().status == 0);
    r = desk.verify();
    CHECK(r.status == 0);
    CHECK_THAT(r.out, Contains("acme@3 for any, signed by") && Contains("blocks/b.json") &&
                          !Contains("unused") && Contains("image  good.erofs"));
    const auto json = nlohmann::json::parse(desk.verify({"--json"}).out);
    CHECK(json["version"] == 3);
    CHECK(json["sound"] == true);
    CHECK(json["files"].size() == 3);
    CHECK(json["pins"][1]["path"] == "good.erofs");
    CHECK(json["pins"][1]["size"] == 8);
}

TEST_CASE("the same profiles make the same bytes") {
    const Desk desk;
    REQUIRE(desk.pack("one").status == 0);
    REQUIRE(desk.pack("two").status == 0);
    CHECK(desk.read("one") == desk.read("two"));
    REQUIRE(desk.pack("two", "4").status == 0);
    CHECK(desk.read("one") != desk.read("two"));
}

TEST_CASE("profiles with errors are not packed, nor profiles whose files are missing") {
    const Desk desk;
    fs::remove(desk.dir / "images/good.erofs");
    auto r = desk.pack();
    CHECK(r.status == 13);
    CHECK_THAT(r.err, Contains("cannot pin the image 'good.erofs'") && Contains("--images"));
    REQUIRE(::mkfifo(desk.path("images/good.erofs").c_str(), 0600) == 0);
    CHECK_THAT(desk.pack().err, Contains("not a regular file"));
    desk.write("p/bad.json", R"({"pmos": 1, "mode": "bad", "rooot": {}})");
    r = desk.pack();
    CHECK(r.status == 1);
    CHECK_THAT(r.out, Contains("unknown key 'rooot'"));
    CHECK_THAT(r.err, Contains("nothing is packed"));
    CHECK_FALSE(fs::exists(desk.dir / "b"));
    // Who reads standard output by a program finds JSON there, or nothing.
    r = desk.run({"policy", "pack", desk.path("p"), "-o", desk.path("b"), "--name", "acme",
                  "--version", "3", "--images", desk.path("images"), "--json"});
    CHECK(r.status == 1);
    CHECK(r.out.empty());
    CHECK_THAT(r.err, Contains("unknown key 'rooot'"));
    fs::remove(desk.dir / "p/bad.json");
    fs::remove(desk.dir / "images/good.erofs");
    desk.write("images/good.erofs", "an image");
    CHECK(desk.pack("b", "0").status == 2);
    CHECK(desk.pack().status == 0);
}

TEST_CASE("a bundle that does not pin what it names is not sound") {
    namespace policy = pmos::policy;
    const Desk desk;
    REQUIRE(desk.pack().status == 0);
    const std::string packed = desk.read("b");
    auto bundle =
        policy::read_payload("b", policy::split_bundle("b", packed).value().payload).value();
    REQUIRE(bundle.pins.size() == 2);
    bundle.pins.pop_back();
    desk.write("b", policy::write_bundle(bundle).value());
    REQUIRE(desk.sign().status == 0);
    const auto r = desk.verify();
    CHECK(r.status == 1);
    CHECK_THAT(r.out, Contains("the image 'good.erofs' is not pinned") && Contains("missing-pin"));
}

TEST_CASE("profiles that nobody reads are not checked for those that are used") {
    const Desk desk;
    const pmos::cli::ProfilePlaces places{desk.path("p"), desk.path("trust"), desk.path("slots"),
                                          desk.path("here")};
    CHECK(pmos::cli::default_profiles(places).value() == desk.path("p"));
    fs::create_directory(desk.dir / "trust");
    CHECK(pmos::cli::default_profiles(places).value() == desk.path("p"));
    desk.write("trust/k.pub", "any");
    const auto refused = pmos::cli::default_profiles(places);
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().why, Contains("signed bundle") && Contains("trust"));
    CHECK_THAT(refused.error().fix, Contains("policy verify"));
    // Taking the keys away opens no directory.
    fs::remove(desk.dir / "trust/k.pub");
    fs::create_directory(desk.dir / "slots");
    CHECK(pmos::cli::default_profiles(places).value() == desk.path("p"));
    for (const char* left : {"slots/slots", "slots/1.bundle"}) {
        desk.write(left, "any");
        const auto still = pmos::cli::default_profiles(places);
        REQUIRE_FALSE(still);
        CHECK_THAT(still.error().why, Contains("one is installed in"));
        fs::remove(desk.dir / left);
    }
    // On an author's desk, where nothing is installed, a trusted key is for verifying.
    fs::remove_all(desk.dir / "p");
    fs::create_directory(desk.dir / "here");
    CHECK(pmos::cli::default_profiles(places).value() == desk.path("here"));
}

TEST_CASE("a key that others can read does not sign") {
    const Desk desk;
    struct stat st {};
    REQUIRE(::stat(desk.path("k.key").c_str(), &st) == 0);
    CHECK((st.st_mode & 0777U) == 0600);
    REQUIRE(desk.pack().status == 0);
    fs::permissions(desk.dir / "k.key", fs::perms::group_read, fs::perm_options::add);
    const auto r = desk.sign();
    CHECK(r.status == 14);
    CHECK_THAT(r.err, Contains("chmod 600"));
    fs::permissions(desk.dir / "k.key", fs::perms::group_read, fs::perm_options::remove);
    fs::create_symlink(desk.path("k.key"), desk.path("link.key"));
    CHECK(desk.sign("b", "link.key").status != 0);
    CHECK(desk.sign("b", "k.pub").status != 0);
    CHECK(desk.run({"policy", "keygen", desk.path("k")}).status == 5);
    CHECK(desk.sign().status == 0);
}

TEST_CASE("a key comes by a descriptor, too") {
    const Desk desk;
    REQUIRE(desk.pack().status == 0);
    const auto shell = [&](const std::string& command) {
        const std::string line = pmosctl() + " policy sign " + desk.path("b") + " " + command;
        return std::system(("exec >/dev/null 2>&1; " + line).c_str());
    };
    CHECK(shell("--key-fd 3 3<" + desk.path("k.key")) == 0);
    CHECK(desk.verify().status == 0);
    CHECK(shell("--key-fd 0 </dev/null") != 0);
    CHECK(shell("--key-fd 9") != 0);
}

TEST_CASE("a signature that is made elsewhere is attached if it is good") {
    const Desk desk;
    REQUIRE(desk.pack().status == 0);
    const auto statement = desk.run({"policy", "sign", desk.path("b"), "--digest"});
    CHECK(statement.status == 0);
    CHECK(statement.out.size() == 129);
    REQUIRE(desk.run({"policy", "sign", desk.path("b"), "--key", desk.path("k.key"), "-o",
                      desk.path("signed")})
                .status == 0);
    desk.write("signature", desk.read("signed").substr(96, 64));
    const auto attach = [&](const std::string& by) {
        return desk.run({"policy", "sign", desk.path("b"), "--signature", desk.path("signature"),
                         "--public", desk.path(by)});
    };
    REQUIRE(desk.run({"policy", "keygen", desk.path("other")}).status == 0);
    CHECK_THAT(attach("other.pub").err, Contains("does not sign this bundle"));
    CHECK(attach("k.pub").status == 0);
    CHECK(desk.read("b") == desk.read("signed"));
    desk.write("signature", "short");
    CHECK_THAT(attach("k.pub").err, Contains("not a signature"));
    CHECK(desk.run({"policy", "sign", desk.path("b")}).status == 2);
}

TEST_CASE("files that are no bundles are refused at once") {
    const Desk desk;
    const auto fails = [&](const std::string& words) {
        const auto r = desk.verify();
        CHECK(r.status != 0);
        CHECK_THAT(r.err, Contains(words));
        fs::remove(desk.dir / "b");
    };
    fails("No such file");
    REQUIRE(::mkfifo(desk.path("b").c_str(), 0600) == 0);
    fails("not a regular file");
    fs::create_symlink("/dev/zero", desk.dir / "b");
    fails("symbolic link");
    desk.write("b", "");
    fails("the header alone");
    desk.write("b", std::string(4096, '\0'));
    fails("does not begin with");
    desk.write("b", "");
    REQUIRE(::truncate(desk.path("b").c_str(), 100 << 20) == 0);
    fails("larger than");
    REQUIRE(desk.pack().status == 0);
    REQUIRE(desk.sign().status == 0);
    fs::resize_file(desk.dir / "b", fs::file_size(desk.dir / "b") - 1);
    fails("it was cut off");
}

TEST_CASE("without a trusted key nothing is genuine") {
    const Desk desk;
    REQUIRE(desk.pack().status == 0);
    REQUIRE(desk.sign().status == 0);
    fs::create_directory(desk.dir / "trust");
    const auto verify = [&] {
        return desk.run({"policy", "verify", desk.path("b"), "--trust", desk.path("trust")});
    };
    CHECK_THAT(verify().err, Contains("no trusted key"));
    fs::copy(desk.dir / "k.pub", desk.dir / "trust/k.pub");
    CHECK(verify().status == 0);
    desk.write("trust/broken.pub", "not a key");
    CHECK_THAT(verify().err, Contains("broken.pub' is not an Ed25519 public key"));
}
