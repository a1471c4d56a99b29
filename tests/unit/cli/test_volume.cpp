// tests: the verbs on volumes: what they ask, show and write, and how they exit.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "harness.h"
#include "profiles.h"

using namespace pmos;
using namespace pmos::cli::test;
using Catch::Matchers::Contains;

TEST_CASE("volume list shows the volumes of all modes, or of one") {
    const Service service;
    const auto all = service.run({"volume", "list"});
    CHECK(all.status == 0);
    CHECK_THAT(all.out, Contains("secure") && Contains("data") && Contains("closed") &&
                            Contains("2 GiB") && Contains("/data"));
    CHECK(service.run({"volume", "list", "device"}).out == "no volumes\n");
    CHECK(service.run({"volume", "list", "nosuch"}).status == 3);
    CHECK_THAT(service.run({"volume", "list", "--json"}).out,
               Contains("\"mode\": \"secure\"") && Contains("\"fileSize\": 2147483648"));
}

TEST_CASE("volume info shows a volume, in words and as JSON, and no control characters") {
    const Service service;
    const auto shown = service.run({"volume", "info", "secure"});
    CHECK(shown.status == 0);
    CHECK_THAT(shown.out, Contains("volume 'data' of mode 'secure': open") &&
                              Contains("2.0 GiB, 113 MiB of it used") &&
                              Contains("aes-xts-plain64, 512-bit key, sectors of 4096 bytes") &&
                              Contains("keyslot 0     argon2id, 256 MiB, 4 passes"));
    CHECK(shown.out.find('\x1b') == std::string::npos);
    const auto json = service.run({"volume", "info", "secure", "data", "--json"});
    CHECK_THAT(json.out, Contains("\"used\": 118489088") && Contains("\"keyslots\"") &&
                             Contains("\"memory\": 268435456"));
    CHECK(service.run({"volume", "info", "secure", "other"}).status == 13);
    const auto none = service.run({"volume", "info", "device"});
    CHECK(none.status == 2);
    CHECK_THAT(none.err, Contains("it has none"));
}

TEST_CASE("volume without a second word, or with a wrong one, is explained") {
    const Service service;
    CHECK_THAT(service.run({"volume"}).err, Contains("second word"));
    CHECK_THAT(service.run({"volume", "--help"}).out, Contains("volume restore"));
    CHECK_THAT(service.run({"volume", "lst"}).err, Contains("did you mean 'pmosctl volume list'"));
}

TEST_CASE("volume passwd passes both PINs by descriptor") {
    const Service service;
    UniqueFd old, fresh;
    const std::string o = inheritable("2468", old), n = inheritable("13579", fresh);
    const auto done = service.run({"volume", "passwd", "secure", "--pin-fd", o, "--new-pin-fd", n});
    CHECK(done.status == 0);
    CHECK_THAT(done.out, Contains("the new PIN opens it"));
    const std::string w = inheritable("0000", old), m = inheritable("13579", fresh);
    CHECK(service.run({"volume", "passwd", "secure", "--pin-fd", w, "--new-pin-fd", m}).status ==
          8);
    CHECK(service.run({"volume", "passwd", "secure", "--pin-fd", m, "--new-pin-fd", m}).status ==
          2);
}

TEST_CASE("volume passwd asks for the new PIN twice") {
    const Service service;
    Terminal tty(service, {"volume", "passwd", "secure"});
    REQUIRE(tty.wait_for("old PIN for secure: "));
    tty.type("2468\n");
    REQUIRE(tty.wait_for("new PIN for secure: "));
    tty.type("13579\n");
    REQUIRE(tty.wait_for("once more: "));
    tty.type("13579\n");
    CHECK(tty.finish() == 0);
    CHECK(tty.seen().find("13579") == std::string::npos);
}

TEST_CASE("volume backup makes a file of the caller's, with a warning, and never half of one") {
    const Service service;
    const Directory dir;
    const std::string file = (dir.path / "header").string();
    const auto done = service.run({"volume", "backup", "secure", "data", file});
    CHECK(done.status == 0);
    CHECK_THAT(done.err, Contains("after the PIN was changed") && Contains("erased"));
    struct stat st {};
    REQUIRE(::stat(file.c_str(), &st) == 0);
    CHECK(st.st_size == 6);
    CHECK((st.st_mode & 0777) == 0600);
    CHECK(service.run({"volume", "backup", "secure", "data", file}).status == 5);
    CHECK(service.run({"volume", "backup", "secure", "other", file + "2"}).status == 13);
    CHECK_FALSE(std::filesystem::exists(file + "2"));
}

TEST_CASE("volume restore wants consent") {
    const Service service;
    const Directory dir;
    const std::string file = (dir.path / "header").string();
    std::ofstream(file) << "header";
    const auto silent = service.run({"volume", "restore", "secure", "data", file});
    CHECK(silent.status == 2);
    CHECK_THAT(silent.err, Contains("--yes"));
    CHECK(service.run({"volume", "restore", "secure", "data", file, "--yes"}).status == 0);
    for (const auto& [answer, status] : {std::pair("yes\n", 0), std::pair("y\n", 16)}) {
        Terminal tty(service, {"volume", "restore", "secure", "data", file});
        REQUIRE(tty.wait_for("type 'yes' to go on: "));
        tty.type(answer);
        CHECK(tty.finish() == status);
    }
    std::ofstream(file) << "another";
    CHECK(service.run({"volume", "restore", "secure", "data", file, "--yes"}).status == 14);
    CHECK(service.run({"volume", "restore", "secure", "data", dir.path.string(), "--yes"}).status !=
          0);
    CHECK(service.run({"volume", "restore", "secure", "data", "/no/such", "--yes"}).status == 13);
}

TEST_CASE("volume resize takes sizes as profiles write them, and a PIN") {
    const Service service;
    const auto resize = [&](const std::string& size, const std::string& pin) {
        UniqueFd keep;
        const std::string fd = inheritable(pin, keep);
        return service.run({"volume", "resize", "secure", "data", size, "--pin-fd", fd});
    };
    CHECK(resize("4GiB", "2468").status == 0);
    CHECK(resize("4294967296", "2468").status == 0);
    CHECK(resize("1GiB", "2468").status == 12);
    CHECK(resize("device", "2468").status == 12);
    CHECK(resize("4GiB", "0000").status == 8);
    for (const char* size : {"", "0", "-1", "4GB", "four"}) CHECK(resize(size, "2468").status == 2);
}

TEST_CASE("volume wipe-free says when it is done") {
    const Service service;
    CHECK(service.run({"volume", "wipe-free", "secure"}).out ==
          "secure: free space of 'data' overwritten\n");
}

TEST_CASE("volume trim says how much is free") {
    const Service service;
    CHECK(service.run({"volume", "trim", "secure"}).out ==
          "secure: the storage of 'data' was told of 3 MiB free\n");
}

TEST_CASE("volume reencrypt passes the PIN, and says what it means for backups") {
    const Service service;
    UniqueFd keep;
    const auto done =
        service.run({"volume", "reencrypt", "secure", "--pin-fd", inheritable("2468", keep)});
    CHECK(done.status == 0);
    CHECK_THAT(done.out, Contains("'data' has a new key") && Contains("backups"));
    CHECK(service.run({"volume", "reencrypt", "secure", "--pin-fd", inheritable("0000", keep)})
              .status == 8);
}

TEST_CASE("unlock says when a volume's re-encryption was cut short, and how it goes on") {
    const Service service;
    UniqueFd keep;
    const auto done =
        service.run({"unlock", "secure", "--no-start", "--pin-fd", inheritable("2468", keep)});
    CHECK(done.status == 0);
    CHECK(done.out == "secure: unlocked\n");
    CHECK_THAT(done.err, Contains("cut short") && Contains("pmosctl volume reencrypt secure"));
    CHECK(service.run({"lock", "secure"}).status == 0);
    const auto started = service.run({"unlock", "secure", "--pin-fd", inheritable("2468", keep)});
    CHECK(started.err.find("cut short") == std::string::npos);
}
