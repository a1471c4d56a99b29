// tests: handset detect and check, as a person would run them, and the text that detect writes.
#include <fmt/format.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <set>

#include "cli/handset_text.h"
#include "harness.h"
#include "runtime/host/devices.h"

using Catch::Contains;
using namespace pmos;
using namespace pmos::cli::test;

namespace {

class Place {
  public:
    Place() { REQUIRE(::mkdtemp(path_.data()) != nullptr); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() { std::filesystem::remove_all(path_); }
    std::string file(const char* name) const { return path_ + "/" + name; }

  private:
    std::string path_ = "/tmp/pmos-handset-XXXXXX";
};

std::vector<host::UdevDevice> phone() {
    host::UdevDevice gpu{.subsystem = "drm", .sysname = "renderD128"};
    gpu.devnode = "/dev/dri/renderD128";
    gpu.major = 226;
    gpu.minor = 128;
    gpu.properties = {{"ID_PATH", "pci-0000:00:01.0\xff\n[*]"}};
    gpu.vendor = "Somebody, Inc.\n\"modem\": [\"/dev/mem\"], //";
    host::UdevDevice camera{.subsystem = "video4linux", .sysname = "video7"};
    camera.devnode = "/dev/video7";
    camera.properties = {{"ID_V4L_CAPABILITIES", ":capture:"}};
    camera.driver = "vivid";
    return {gpu, camera};
}

}  // namespace

TEST_CASE("the text of a description has every class, and its reader takes it") {
    const auto devices = phone();
    const auto found = host::detect_devices(devices);
    for (const bool comments : {true, false}) {
        const auto text = cli::handset_text("x\"1", found, comments);
        INFO(text);
        std::vector<policy::Diagnostic> faults;
        const auto handset = policy::read_handset("h", text, faults);
        CHECK(faults.empty());
        CHECK(handset.model == "x\"1");
        // What no JSON can say of the first one keeps it out; nothing else comes in.
        const auto again = host::match_devices(handset, devices);
        REQUIRE(again.size() == 1);
        CHECK(again[0].path == "video7");
        for (const auto& device_class : policy::device_classes())
            CHECK_THAT(text, Contains(fmt::format("        \"{}\": [", device_class.name)));
        CHECK((text.find("//") != std::string::npos) == comments);
        CHECK((text.find("video7") != std::string::npos) == comments);
    }
    CHECK_THAT(cli::handset_text("", found, true), Contains("// \"model\": \"...\""));
}

TEST_CASE("what this machine has is described, and the description finds the same") {
    Service service;
    const Place place;
    const auto file = place.file("handset.json");
    const auto made = service.run({"handset", "detect", "--out", file});
    INFO(made.err);
    REQUIRE(made.status == 0);
    CHECK(made.out.empty());
    const auto checked = service.run({"handset", "check", file});
    CHECK(checked.status == 0);
    CHECK(checked.out == "handset checked, 0 errors, 0 warnings, 0 notes\n");
    const auto classes = [](const policy::Handset& handset) {
        std::set<std::string> out;
        for (const auto& d : host::find_devices(handset).devices)
            if (d.device_class != "modem") out.insert(d.device_class + d.right + d.path);
        return out;
    };
    const auto described = host::read_handset_file(file);
    CHECK(described.diagnostics.empty());
    CHECK(classes(described.handset) == classes(policy::built_in_handset()));
    CHECK(service.run({"handset", "detect", "--out", file}).status != 0);
    const auto printed = service.run({"handset", "detect", "--json"});
    CHECK(printed.status == 0);
    CHECK_THAT(printed.out, !Contains("//") && Contains("\"usb\": []"));
}

TEST_CASE("faults of a description are told like those of a profile") {
    Service service;
    const Place place;
    const auto file = place.file("handset.json");
    std::ofstream(file)
        << "{\"devices\": {\n  \"camrea\": [],\n  \"modem\": [\"/etc/passwd\"]\n}}\n";
    const auto text = service.run({"handset", "check", file});
    CHECK(text.status == 1);
    CHECK_THAT(text.out, Contains(file + ":2:3: error: unknown device class 'camrea'") &&
                             Contains("did you mean 'camera'?") &&
                             Contains(file + ":3:13: error: '/etc/passwd' is not below /dev") &&
                             Contains("handset checked, 2 errors"));
    const auto json = service.run({"handset", "check", file, "--json"});
    CHECK(json.status == 1);
    CHECK_THAT(json.out, Contains("\"rule\": \"unknown-class\"") && Contains("\"line\": 3"));
    CHECK(service.run({"handset", "check", place.file("none")}).status != 0);
}
