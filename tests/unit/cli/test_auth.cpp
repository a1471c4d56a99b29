// tests: the verbs on who can open a volume: what they ask, show and write, and how they exit.
#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "harness.h"
#include "profiles.h"

using namespace pmos;
using namespace pmos::cli::test;
using Catch::Matchers::Contains;

namespace {

Outcome with_pin(const Service& service, Args words, const std::string& pin) {
    UniqueFd keep;
    words.insert(words.end(), {"--pin-fd", inheritable(pin, keep)});
    return service.run(words);
}

}  // namespace

TEST_CASE(
    "auth list shows who can open a volume, in words and as JSON, and no control characters") {
    const Service service;
    const auto shown = service.run({"auth", "list", "secure"});
    CHECK(shown.err == "");
    CHECK(shown.status == 0);
    CHECK_THAT(shown.out, Contains("pmos-escrow  2026-01-02T03:04:05Z  to key 0011223344556677") &&
                              Contains("the profile does not let it") &&
                              Contains("the profile lets open it: pin, recovery-key"));
    CHECK(shown.out.find('\x1b') == std::string::npos);
    const auto json = service.run({"auth", "list", "secure", "--json"});
    CHECK_THAT(json.out, Contains("\"keyslot\": 12") && Contains("\"allowed\": false") &&
                             Contains("\"since\": \"2026-01-02T03:04:05Z\""));
}

TEST_CASE("auth enroll writes a recovery key to its descriptor, and to nothing else") {
    const Service service;
    const Directory dir;
    const std::string file = (dir.path / "key").string();
    const UniqueFd out(::open(file.c_str(), O_RDWR | O_CREAT, 0600));
    const auto enroll = [&](const std::string& pin) {
        return with_pin(
            service,
            {"auth", "enroll", "secure", "recovery-key", "--out-fd", std::to_string(out.get())},
            pin);
    };
    CHECK(enroll("0000").status == 8);
    CHECK(std::filesystem::file_size(file) == 0);
    const auto done = enroll("2468");
    CHECK(done.status == 0);
    CHECK_THAT(done.out, Contains("in keyslot 1"));
    CHECK((done.out + done.err).find("cbde") == std::string::npos);
    std::string key;
    std::getline(std::ifstream(file), key);
    CHECK(key == "cbde-fghi");
}

TEST_CASE("auth enroll shows a recovery key on the terminal") {
    const Service service;
    Terminal tty(service, {"auth", "enroll", "secure", "recovery-key"});
    REQUIRE(tty.wait_for("PIN for secure: "));
    tty.type("2468\n");
    CHECK(tty.wait_for("the recovery key of 'secure', shown this once:"));
    CHECK(tty.wait_for("cbde-fghi"));
    CHECK(tty.finish() == 0);
}

TEST_CASE("auth enroll without anywhere to show the key asks for nothing") {
    const Service service;
    CHECK(with_pin(service, {"auth", "enroll", "secure", "recovery-key", "--out-fd", "99"}, "2468")
              .status == 2);
}

TEST_CASE("auth enroll of a PIN passes both, of an escrow only the old one") {
    const Service service;
    UniqueFd fresh;
    const std::string n = inheritable("13579", fresh);
    CHECK(
        with_pin(service, {"auth", "enroll", "secure", "pin", "--new-pin-fd", n}, "2468").status ==
        0);
    CHECK(with_pin(service, {"auth", "enroll", "secure", "escrow"}, "2468").status == 0);
}

TEST_CASE("auth remove and auth test say what became of it") {
    const Service service;
    CHECK(with_pin(service, {"auth", "remove", "secure", "escrow"}, "2468").out ==
          "secure: 'escrow' in keyslot 12 opens it no more\n");
    CHECK(with_pin(service, {"auth", "remove", "secure", "pin"}, "2468").status == 14);
    CHECK(with_pin(service, {"auth", "remove", "secure", "12"}, "0000").status == 8);
    CHECK(with_pin(service, {"auth", "test", "secure"}, "2468").out ==
          "secure: it opens, by 'escrow' in keyslot 12\n");
    CHECK(with_pin(service, {"auth", "test", "secure", "escrow"}, "0000").status == 8);
}

TEST_CASE("auth open-escrow unseals by the private key, without pmosd") {
    const Service service;
    const Directory dir;
    const auto path = [&](const char* name) { return (dir.path / name).string(); };
    // "cbde-fghi", sealed by libsodium to the public half of the first key.
    std::ofstream(path("key")) << "EAt/kZauKtruL+ARu9V82mIXXyDZugea0TKfWg1an24=\n";
    std::ofstream(path("other")) << "iKbvcLLn8N0QCoRCD3aOOofumpQan+JGcxbyNCcHGmQ=\n";
    std::ofstream(path("none")) << "a private key\n";
    constexpr const char* kSealed =
        "acGe/Lip2Lbl9MmPH5RvTgNLCduEX47hpRWE8E/RWTWQTbYawOdXE4JNnnCg2p23yW+gmWtEF4KO";
    const UniqueFd out(::open(path("out").c_str(), O_RDWR | O_CREAT, 0600));
    const auto open = [&](const char* key, const std::string& sealed) {
        return service.run(
            {"auth", "open-escrow", path(key), sealed, "--out-fd", std::to_string(out.get())});
    };
    CHECK(open("other", kSealed).status == 8);
    CHECK(open("none", kSealed).status == 2);
    CHECK(open("absent", kSealed).status == 13);
    CHECK(open("key", "AAAA").status == 2);
    CHECK(std::filesystem::file_size(path("out")) == 0);
    CHECK(open("key", kSealed).status == 0);
    std::string secret;
    std::getline(std::ifstream(path("out")), secret);
    CHECK(secret == "cbde-fghi");
}

TEST_CASE("auth list names the fingers, and says that they open nothing") {
    const Service service;
    const auto shown = service.run({"auth", "list", "secure"});
    CHECK_THAT(shown.out, Contains("right-index-finger: opens nothing"));
    CHECK(shown.out.find('\x1b') == std::string::npos);
    CHECK_THAT(service.run({"auth", "list", "secure", "--json"}).out,
               Contains("\"fingers\": [\n    \"right-index-finger\""));
}

TEST_CASE("a finger is enrolled and removed by who gives the secret, and tested without one") {
    const Service service;
    const Args enroll{"auth", "enroll", "secure", "fingerprint", "--finger", "left-thumb"};
    CHECK(with_pin(service, enroll, "0000").status == 8);
    const auto done = with_pin(service, enroll, "2468");
    CHECK(done.err == "");
    CHECK(done.status == 0);
    CHECK_THAT(done.out, Contains("'left-thumb' is enrolled"));
    CHECK(with_pin(service, {"auth", "remove", "secure", "fingerprint"}, "0000").status == 8);
    CHECK(with_pin(service, {"auth", "remove", "secure", "fingerprint"}, "2468").status == 0);
    CHECK_THAT(service.run({"auth", "test", "secure", "fingerprint"}).out, Contains("enough now"));
}

TEST_CASE("unlock --fingerprint asks for no secret, and takes none") {
    const Service service;
    const auto done = service.run({"unlock", "--fingerprint", "secure"});
    CHECK(done.status == 0);
    CHECK_THAT(done.out, Contains("unlocked by fingerprint"));
    CHECK(service.run({"unlock", "--fingerprint", "--pin-fd", "3", "secure"}).status == 2);
}
