// tests: whose a message is, on the storage.
#include "runtime/modem/owners.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace {

using namespace pmos::modem;

const std::string kA(64, 'a'), kB(64, 'b');

TEST_CASE("what makes no sense in the file is left out") {
    CHECK(read_owners("").empty());
    const auto owners =
        read_owners(kA + " secure\nrubbish\n" + kB + " Not-A-Mode\n" + std::string(64, 'X') +
                    " secure\n" + kB + " personal\n" + kA + " personal");
    CHECK(owners == std::map<std::string, std::string>{{kA, "secure"}, {kB, "personal"}});
    CHECK(read_owners(kA + " secure\n" + kA + " -\n").empty());
}

TEST_CASE("it outlives the broker, without a number or a word") {
    char dir[] = "/tmp/pmos-owners-XXXXXX";
    REQUIRE(::mkdtemp(dir) != nullptr);
    RadioText text;
    text.number = "+15551234";
    text.text = "good morning";
    text.timestamp = "2026-01-01T00:00:00Z";
    const auto digest = digest_of("line", text);
    {
        auto owners = Owners::open(dir);
        CHECK(owners.find(digest).empty());
        CHECK(owners.keep(digest, "secure"));
        CHECK(owners.keep(kA, "personal"));
        CHECK(owners.forget(kA));
    }
    auto again = Owners::open(dir);
    CHECK(again.find(digest) == "secure");
    CHECK(again.find(kA).empty());
    std::ifstream file(std::string(dir) + "/owners");
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    CHECK(bytes == digest + " secure\n");
    std::filesystem::remove_all(dir);
    // A storage that is not there takes nothing else with it.
    auto nowhere = Owners::open(dir);
    CHECK_FALSE(nowhere.keep(digest, "secure"));
    CHECK(nowhere.find(digest) == "secure");
}

TEST_CASE("what cannot be read is left as it is, and gives no message away") {
    char dir[] = "/tmp/pmos-owners-XXXXXX";
    REQUIRE(::mkdtemp(dir) != nullptr);
    const std::string file = std::string(dir) + "/owners";
    std::filesystem::create_directory(file);
    auto owners = Owners::open(dir);
    CHECK(owners.unread());
    CHECK_FALSE(owners.keep(kA, "personal"));
    CHECK(std::filesystem::is_directory(file));
    std::filesystem::remove(file);
    // More than there can be of it.
    std::ofstream(file) << kA << " secure\n";
    std::filesystem::resize_file(file, (16U << 20U) + 1);
    CHECK(Owners::open(dir).unread());
    CHECK(std::filesystem::file_size(file) == (16U << 20U) + 1);
    std::filesystem::remove_all(dir);
    CHECK_FALSE(Owners::open(dir).unread());
}

TEST_CASE("messages that differ have other digests") {
    RadioText one, other;
    one.number = "12";
    other.number = "1";
    one.text = "3";
    other.text = "23";
    CHECK(digest_of("", one) != digest_of("", other));
    CHECK(digest_of("a", one) != digest_of("b", one));
    CHECK(digest_of("a", one) == digest_of("a", one));
}

}  // namespace
