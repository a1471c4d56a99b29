// tests: a recovery key as it is made and as people type it.
#include "runtime/volume/recovery.h"

#include <catch2/catch.hpp>
#include <cctype>
#include <regex>
#include <set>
#include <string>

#include "secret_text.h"

using namespace pmos;
using namespace pmos::volume;

TEST_CASE("a recovery key is 64 letters of modhex in groups of eight, and never the same") {
    std::set<std::string> seen;
    std::string letters;
    for (int i = 0; i < 64; ++i) {
        const auto key = make_recovery_key();
        REQUIRE(key);
        const std::string text = text_of(*key);
        CHECK(
            std::regex_match(text, std::regex("([cbdefghijklnrtuv]{8}-){7}[cbdefghijklnrtuv]{8}")));
        seen.insert(text);
        letters += text;
    }
    CHECK(seen.size() == 64);
    for (const char c : std::string("cbdefghijklnrtuv")) CHECK(letters.find(c) != letters.npos);
}

TEST_CASE("case, dashes and spaces of a recovery key are forgiven, and nothing else") {
    const auto made = make_recovery_key();
    REQUIRE(made);
    const std::string key = text_of(*made);
    const auto normal = [](const std::string& entered) {
        const auto found = normal_recovery_key(secret_of(entered));
        return found ? text_of(*found) : std::string("none");
    };
    std::string plain, capitals, spaced;
    for (const char c : key) {
        if (c != '-') plain += c;
        capitals += static_cast<char>(std::toupper(c));
        spaced += c == '-' ? ' ' : c;
    }
    CHECK(normal(key) == key);
    CHECK(normal(plain) == key);
    CHECK(normal(capitals) == key);
    CHECK(normal(spaced + " ") == key);
    CHECK(normal(key.substr(0, 20) + "-" + key.substr(20)) == key);
    CHECK(normal(key + "c") == "none");
    CHECK(normal(key.substr(1)) == "none");
    CHECK(normal(key.substr(0, 70) + "a") == "none");
    CHECK(normal("1234") == "none");
    CHECK(normal("--------") == "none");
    CHECK(normal(std::string(500, 'c')) == "none");
}
