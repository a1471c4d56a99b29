// tests: a mode's face over its socket.
#include <catch2/catch.hpp>
#include <filesystem>

#include "wire.h"

using namespace pmos;
using namespace pmos::modem;

namespace {

struct Place {
    Place() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
    ~Place() { std::filesystem::remove_all(path); }
    std::string path = "/tmp/pmos-face-XXXXXX";
};

const std::string kList = call_bytes("/org/freedesktop/ModemManager1",
                                     "org.freedesktop.DBus.ObjectManager", "GetManagedObjects");

}  // namespace

TEST_CASE("a call that comes in one piece with the greeting is answered") {
    Place place;
    Wire wire(place.path);
    wire.world.set_operator("TestNet");
    SECTION("in one piece") {
        REQUIRE(wire.connect());
        wire.say(std::string(kGreeting) + kList);
    }
    SECTION("in pieces") {
        REQUIRE(wire.connect());
        for (const auto& part :
             {std::string(kGreeting.substr(0, 20)), std::string(kGreeting.substr(20)),
              kList.substr(0, 5), kList.substr(5)}) {
            wire.say(part);
            wire.turn(1000);
        }
    }
    for (int i = 0; i < 200 && !wire.heard.contains("TestNet"); ++i) wire.turn(5000);
    CHECK(wire.heard.starts_with("OK "));
    CHECK(wire.heard.contains("/org/freedesktop/ModemManager1/Modem/0"));
    CHECK(wire.heard.contains("TestNet"));
}

TEST_CASE("who is loud is let go, and the face goes on") {
    Place place;
    Wire wire(place.path);
    for (const std::string& noise :
         {std::string(1 << 20, 'x'), std::string(kGreeting) + std::string(1 << 18, '\xff'),
          std::string(kGreeting) + std::string{'l', 1, 0, 1} + number(1U << 30U) + number(1) +
              number(1U << 30U)}) {
        REQUIRE(wire.connect());
        wire.say(noise);
        for (int i = 0; i < 100 && wire.face->clients() != 0; ++i) wire.turn(5000);
        CHECK(wire.face->clients() == 0);
    }
    REQUIRE(wire.connect());
    wire.say(std::string(kGreeting) + kList);
    for (int i = 0; i < 200 && !wire.heard.contains("Modem/0"); ++i) wire.turn(5000);
    CHECK(wire.heard.contains("Modem/0"));
}

TEST_CASE("who has said nothing yet is told nothing, and all after that") {
    Place place;
    Wire wire(place.path);
    REQUIRE(wire.connect());
    wire.say(kGreeting);
    for (int i = 0; i < 20; ++i) wire.turn(1000);
    const auto change = [&](const char* name) {
        wire.world.set_operator(name);
        wire.face->lines_changed();
    };
    change("Early");
    for (int i = 0; i < 20; ++i) wire.turn(1000);
    CHECK(wire.heard.starts_with("OK "));
    CHECK_FALSE(wire.heard.contains("ModemManager1"));
    wire.say(kList);
    for (int i = 0; i < 200 && !wire.heard.contains("Early"); ++i) wire.turn(5000);
    change("Late");
    for (int i = 0; i < 200 && !wire.heard.contains("Late"); ++i) wire.turn(5000);
    CHECK(wire.heard.contains("Late"));
}
