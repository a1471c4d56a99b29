// tests: reading this machine's facts, and the phone's own list of devices.
#include "runtime/host/facts.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/fd.h"
#include "runtime/host/devices.h"

using namespace pmos;

TEST_CASE("facts of this machine can be read, and hold what every Linux has") {
    host::HostPaths paths;
    paths.handset_json = "/nonexistent";
    auto facts = host::read_host_facts(paths);
    REQUIRE(facts);
    CHECK(facts->memory_bytes > 64U << 20);
    CHECK_FALSE(facts->arch.empty());
    CHECK(std::ranges::find(facts->filesystems, "ext4") != facts->filesystems.end());
    CHECK(std::ranges::find(facts->filesystems, "nodev") == facts->filesystems.end());
    CHECK(facts->time_namespace == (::access("/proc/self/ns/time", F_OK) == 0));
}

TEST_CASE("a device of handset.json becomes the node itself") {
    auto devices = host::parse_handset(R"({"devices": {"modem": ["/dev/null"]}})");
    REQUIRE(devices);
    REQUIRE(devices->devices.size() == 1);
    const auto& modem = devices->devices.front();
    CHECK(modem.device_class == "modem");
    CHECK(modem.right == "port");
    CHECK(modem.path == "null");
    CHECK_FALSE(modem.block);
    CHECK(modem.major == 1);
    CHECK(modem.minor == 3);
    CHECK(host::parse_handset("{}")->devices.empty());
    CHECK_FALSE(host::parse_handset(R"({"model": 1})"));
}

TEST_CASE("the model of phone is read whatever its devices are") {
    CHECK(host::parse_model("{}").value().empty());
    CHECK_FALSE(host::parse_model(R"({"model": 1})"));
    std::string path = "/tmp/pmos-handset-XXXXXX";
    const UniqueFd fd(::mkstemp(path.data()));
    // A device that cannot be looked at: a part of its path is no directory.
    const std::string_view text =
        R"({"model": "x1", "devices": {"modem": ["/dev/null/port", "/etc/passwd"]}, "more": 1})";
    REQUIRE(::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    CHECK_FALSE(host::parse_handset(std::string(text)));
    CHECK(host::handset_model(path) == "x1");
    ::unlink(path.c_str());
    CHECK(host::handset_model(path).empty());
}

TEST_CASE("a node that is not there takes no other with it") {
    auto devices =
        host::parse_handset(R"({"devices": {"modem": ["/dev/nonexistent", "/dev/null"]}})");
    REQUIRE(devices);
    REQUIRE(devices->devices.size() == 1);
    CHECK(devices->devices.front().path == "null");
    CHECK(devices->missing == std::vector<std::string>{"/dev/nonexistent"});
}

TEST_CASE("every fault of handset.json is refused by name") {
    for (const char* broken :
         {"", "{", "[]", "7", R"({"device": {}})", R"({"devices": []})",
          R"({"devices": {"gpu": ["/dev/null"]}})", R"({"devices": {"modem": "/dev/null"}})",
          R"({"devices": {"modem": [1]}})", R"({"devices": {"modem": ["/etc/passwd"]}})",
          R"({"devices": {"modem": ["/dev/../etc/passwd"]}})",
          R"({"devices": {"modem": ["/dev/shm"]}})"}) {
        INFO(broken);
        auto devices = host::parse_handset(broken);
        REQUIRE_FALSE(devices);
        CHECK_FALSE(devices.error().what.empty());
    }
}

TEST_CASE("a broken handset.json is a problem that the doctor sees, not the end") {
    std::string path = "/tmp/pmos-handset-XXXXXX";
    const UniqueFd fd(::mkstemp(path.data()));
    REQUIRE(::write(fd.get(), "{", 1) == 1);
    host::HostPaths paths;
    paths.handset_json = path;
    auto facts = host::read_host_facts(paths);
    ::unlink(path.c_str());
    REQUIRE(facts);
    const bool named = std::ranges::any_of(facts->problems, [&](const std::string& problem) {
        return problem.find(path) != std::string::npos;
    });
    CHECK(named);
}

TEST_CASE("render nodes are found by number, cards are not") {
    std::string root = "/tmp/pmos-drm-XXXXXX";
    REQUIRE(::mkdtemp(root.data()) != nullptr);
    for (const char* name : {"card0", "renderD129", "renderD128", "version"}) {
        std::filesystem::create_directory(root + "/" + name);
        std::ofstream(root + "/" + name + "/dev")
            << "226:" << (std::string(name).starts_with("renderD") ? name + 7 : "0") << "\n";
    }
    std::filesystem::create_directory(root + "/renderD130");  // no numbers: not there
    const auto found = host::gpu_devices(root);
    std::filesystem::remove_all(root);
    REQUIRE(found.size() == 2);
    CHECK(found[0].path == "dri/renderD128");
    CHECK(found[0].major == 226);
    CHECK(found[1].minor == 129);
    CHECK(host::gpu_devices("/nonexistent").empty());
}

TEST_CASE("that a CPU has no AES is taken from a list only") {
    CHECK_FALSE(host::says_no_aes({"flags", ":", "fpu", "aes", "avx"}));
    CHECK(host::says_no_aes({"flags", ":", "fpu", "avx"}));
    CHECK(host::says_no_aes({"Features", ":", "fp", "asimd"}));
    CHECK_FALSE(host::says_no_aes({"model", "name", ":", "some", "CPU"}));
}
