// tests: reading this machine's facts, and the phone's own list of devices.
#include "runtime/host/facts.h"

#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>

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

namespace {

// Files of a phone, gone with the test.
class HandsetJson {
  public:
    explicit HandsetJson(std::string_view text) {
        const UniqueFd fd(::mkstemp(path_.data()));
        REQUIRE(::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    }
    HandsetJson(const HandsetJson&) = delete;
    HandsetJson& operator=(const HandsetJson&) = delete;
    ~HandsetJson() { ::unlink(path_.c_str()); }
    const std::string& path() const { return path_; }

  private:
    std::string path_ = "/tmp/pmos-handset-XXXXXX";
};

policy::HostFacts facts_with(const HandsetJson& file) {
    host::HostPaths paths;
    paths.handset_json = file.path();
    auto facts = host::read_host_facts(paths);
    REQUIRE(facts);
    return *facts;
}

bool tells(const policy::HostFacts& facts, const std::string& what) {
    return std::ranges::any_of(facts.problems, [&](const std::string& problem) {
        return problem.find(what) != std::string::npos;
    });
}

}  // namespace

TEST_CASE("a device of handset.json becomes the node itself, and takes no other with it") {
    const HandsetJson file(R"({"devices": {"gpu": [], "modem": [
        "/dev/nonexistent", "/dev/stdin/x", "/etc/passwd", "/dev/null", "/dev/null"]}})");
    auto facts = facts_with(file);
    CHECK(std::ranges::none_of(facts.devices, [](const policy::HostDevice& d) {
        return d.device_class == "gpu" || d.device_class == "modem";
    }));
    CHECK(tells(facts, file.path() + ":2:45: '/etc/passwd' is not below /dev"));

    const HandsetJson sound(R"({"devices": {"gpu": [], "audio": [], "modem": [
        "/dev/nonexistent", "/dev/null/x", "/dev/shm", "/dev/null", "/dev/null"]}})");
    facts = facts_with(sound);
    CHECK(tells(facts, sound.path() + ":2:9: '/dev/nonexistent' is not there"));
    CHECK(tells(facts, sound.path() + ":2:29: cannot look at '/dev/null/x'"));
    CHECK(tells(facts, sound.path() + ":2:44: '/dev/shm' is not a device"));
    const auto modem = std::ranges::find(facts.devices, "modem", &policy::HostDevice::device_class);
    REQUIRE(modem != facts.devices.end());
    CHECK(*modem == policy::HostDevice{"modem", "port", "null", false, 1, 3});
    CHECK(std::ranges::count(facts.devices, "modem", &policy::HostDevice::device_class) == 1);
}

TEST_CASE("the model of phone is read whatever its devices are") {
    {
        const HandsetJson file(
            R"({"model": "x1", "devices": {"modem": ["/dev/null/port", "/etc/passwd"]}, "more": 1})");
        CHECK(host::handset_model(file.path()) == "x1");
    }
    CHECK(host::handset_model(HandsetJson("{}").path()).empty());
    CHECK(host::handset_model(HandsetJson("{").path()).empty());
    CHECK(host::handset_model("/nonexistent").empty());
}

TEST_CASE("a description that cannot be read denies as a broken one does") {
    std::string path = "/tmp/pmos-handset-XXXXXX";
    REQUIRE(::mkdtemp(path.data()) != nullptr);
    const std::string link = path + "/link";
    REQUIRE(::symlink("/nonexistent", link.c_str()) == 0);
    for (const auto& unreadable : {path, link}) {
        const auto file = host::read_handset_file(unreadable);
        CHECK(file.handset.matches.empty());
        REQUIRE(file.diagnostics.size() == 1);
        CHECK(file.diagnostics[0].at.file == unreadable);
    }
    ::unlink(link.c_str());
    ::rmdir(path.c_str());
    CHECK(host::read_handset_file(path).handset.matches.size() ==
          policy::built_in_handset().matches.size());
}

TEST_CASE("a broken handset.json is a problem that the doctor sees, not the end") {
    const HandsetJson file("{");
    const auto facts = facts_with(file);
    CHECK(facts.devices.empty());
    CHECK(tells(facts, "handset: " + file.path() + ":1:2: not JSON"));
}

TEST_CASE("that a CPU has no AES is taken from a list only") {
    CHECK_FALSE(host::says_no_aes({"flags", ":", "fpu", "aes", "avx"}));
    CHECK(host::says_no_aes({"flags", ":", "fpu", "avx"}));
    CHECK(host::says_no_aes({"Features", ":", "fp", "asimd"}));
    CHECK_FALSE(host::says_no_aes({"model", "name", ":", "some", "CPU"}));
}
