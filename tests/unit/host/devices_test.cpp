// tests: which devices are of which class, by what udev says of them.
#include "runtime/host/devices.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "runtime/host/cdi.h"

using namespace pmos;
using host::UdevDevice;

namespace {

UdevDevice device(const char* subsystem, const char* sysname, const char* devnode,
                  std::uint32_t minor, std::map<std::string, std::string> properties = {}) {
    return {.subsystem = subsystem,
            .sysname = sysname,
            .devnode = devnode,
            .major = 200,
            .minor = minor,
            .properties = std::move(properties)};
}

// "class right path", in order.
std::vector<std::string> found(const policy::Handset& handset,
                               const std::vector<UdevDevice>& devices) {
    std::vector<std::string> out;
    for (const auto& d : host::match_devices(handset, devices))
        out.push_back(d.device_class + " " + d.right + " " + d.path);
    return out;
}

policy::Handset handset(const std::string& devices) {
    std::vector<policy::Diagnostic> faults;
    auto read = policy::read_handset("h", R"({"devices": )" + devices + "}", faults);
    for (const auto& d : faults) INFO(policy::to_text(d));
    REQUIRE(faults.empty());
    return read;
}

// A phone with two of nearly everything.
const std::vector<UdevDevice> kPhone{
    device("drm", "card0", "/dev/dri/card0", 0),
    device("drm", "renderD129", "/dev/dri/renderD129", 129, {{"ID_PATH", "platform-vgem"}}),
    device("drm", "renderD128", "/dev/dri/renderD128", 128, {{"ID_PATH", "pci-0000:00:01.0"}}),
    device("drm", "card0-Virtual-1", "", 0),
    device("sound", "pcmC0D0p", "/dev/snd/pcmC0D0p", 16),
    device("sound", "pcmC0D0c", "/dev/snd/pcmC0D0c", 24),
    device("sound", "controlC0", "/dev/snd/controlC0", 1),
    device("sound", "timer", "/dev/snd/timer", 33),
    device("video4linux", "video0", "/dev/video0", 50, {{"ID_V4L_CAPABILITIES", ":capture:"}}),
    device("video4linux", "video1", "/dev/video1", 51, {{"ID_V4L_CAPABILITIES", ":"}}),
    device("video4linux", "v4l-subdev0", "/dev/v4l-subdev0", 52),
    device("gnss", "gnss0", "/dev/gnss0", 60),
    device("iio", "iio:device0", "/dev/iio:device0", 70),
    device("iio", "trigger0", "", 71),
    device("usb", "1-1", "/dev/bus/usb/001/002", 80),
    device("tty", "ttyUSB2", "/dev/ttyUSB2", 90, {{"ID_PATH", "usb-1"}}),
};

}  // namespace

TEST_CASE("without a description the subsystem tells the class, and USB is nobody's") {
    CHECK(found(policy::built_in_handset(), kPhone) ==
          std::vector<std::string>{"audio capture snd/pcmC0D0c", "audio control snd/controlC0",
                                   "audio playback snd/pcmC0D0p", "camera use video0",
                                   "gnss use gnss0", "gpu display dri/card0",
                                   "gpu render dri/renderD128", "gpu render dri/renderD129",
                                   "sensors use iio:device0"});
}

TEST_CASE("a class that is described is that and no more; the others are as they were") {
    const auto h = handset(R"({"audio": [], "camera": [], "gnss": [], "sensors": [],
        "gpu": [{"subsystem": "drm", "name": "render*", "right": "render",
                 "properties": {"ID_PATH": "pci-*"}}],
        "modem": [{"subsystem": "tty", "properties": {"ID_PATH": "usb-[1-3]"}}]})");
    CHECK(found(h, kPhone) ==
          std::vector<std::string>{"gpu render dri/renderD128", "modem port ttyUSB2"});
}

TEST_CASE("all that is named must match, and a pattern is not a part of a text") {
    const UdevDevice camera = device("video4linux", "video0", "/dev/video0", 50, {{"A", "one"}});
    const auto fits = [&](const char* match) {
        return !found(handset(std::string(R"({"camera": [)") + match + "]}"), {camera}).empty();
    };
    CHECK(fits(R"({"subsystem": "video4linux"})"));
    CHECK(fits(R"({"subsystem": "video4linux", "name": "video?", "properties": {"A": "on*"}})"));
    CHECK_FALSE(fits(R"({"subsystem": "video4linux", "name": "video"})"));
    CHECK_FALSE(fits(R"({"subsystem": "video4linux", "properties": {"A": "on"}})"));
    CHECK_FALSE(fits(R"({"subsystem": "video4linux", "properties": {"A": "one", "B": "*"}})"));
    CHECK_FALSE(fits(R"({"subsystem": "video4linux", "name": "*1", "properties": {"A": "one"}})"));
    CHECK_FALSE(fits(R"({"subsystem": "media"})"));
}

TEST_CASE("what two matches find is one device; what has no node below /dev is none") {
    const auto h =
        handset(R"({"usb": [{"subsystem": "usb"}, {"subsystem": "usb", "name": "1-*"}]})");
    CHECK(found(h, {device("usb", "1-1", "/dev/bus/usb/001/002", 1), device("usb", "1-2", "", 2),
                    device("usb", "1-3", "/tmp/usb", 3)}) ==
          std::vector<std::string>{"usb use bus/usb/001/002"});
}

TEST_CASE("what is listened to is what the matches name, and where paths may turn up") {
    using Names = std::set<std::string>;
    const std::string rest = R"("audio": [], "camera": [], "gnss": [], "sensors": [])";
    const auto built_in = policy::built_in_handset();
    CHECK(host::watched_subsystems(built_in) ==
          Names{"drm", "gnss", "iio", "sound", "video4linux"});
    CHECK(host::watched_subsystems(handset("{" + rest + R"(, "gpu": []})")).empty());
    const auto modem = handset("{" + rest + R"(, "modem": ["/dev/modem"]})");
    CHECK(host::matched_subsystems(modem) == Names{"drm"});
    CHECK(host::watched_subsystems(modem) == Names{"drm", "tty", "usbmisc", "wwan"});
}

TEST_CASE("what is listed is there, with its own numbers") {
    const auto listed = host::list_devices({"mem", "tty"});
    REQUIRE(listed);
    for (const auto& d : *listed) {
        INFO(d.devnode);
        struct stat st {};
        REQUIRE(::stat(d.devnode.c_str(), &st) == 0);
        CHECK(::major(st.st_rdev) == d.major);
        CHECK(::minor(st.st_rdev) == d.minor);
        CHECK((d.subsystem == "mem" || d.subsystem == "tty"));
    }
    const auto null = std::ranges::find(*listed, "null", &UdevDevice::sysname);
    if (null == listed->end()) {
        WARN("skipped: no /sys here");
        return;
    }
    CHECK(null->devnode == "/dev/null");
    CHECK_FALSE(null->block);
    CHECK(host::list_devices({})->empty());
}

TEST_CASE("a device by its CDI name is the nodes of the specification that counts") {
    namespace fs = std::filesystem;
    std::string made = (fs::temp_directory_path() / "pmos-cdi-XXXXXX").string();
    REQUIRE(::mkdtemp(made.data()) != nullptr);
    const fs::path place = made;
    const auto write = [&](const std::string& name, const std::string& text) {
        fs::create_directories((place / name).parent_path());
        std::ofstream(place / name) << text;
    };
    const auto spec = [](const std::string& device, const std::string& node) {
        return R"({"cdiVersion": "0.5.0", "kind": "v.com/gpu", "devices": [{"name": ")" + device +
               R"(", "containerEdits": {"deviceNodes": [{"path": ")" + node + R"("}]}}]})";
    };
    write("etc/a.json", spec("0", "/dev/zero"));
    write("etc/b.json", spec("1", "/dev/full"));
    write("etc/c.yaml", "cdiVersion: 0.5.0\n");
    write("etc/d.json", "{");
    write("run/a.json", spec("0", "/dev/null"));
    const auto specs = host::CdiSpecs::read({place / "etc", place / "run", place / "gone"});
    CHECK(specs.problems().size() == 2);
    using Nodes = std::vector<std::string>;
    CHECK(specs.nodes({"v.com/gpu", "0"}).value() == Nodes{"/dev/null"});
    CHECK(specs.nodes({"v.com/gpu", "1"}).value() == Nodes{"/dev/full"});
    const auto none = specs.nodes({"v.com/gpu", "7"});
    REQUIRE_FALSE(none);
    CHECK(none.error().message().find("v.com/gpu=0") != std::string::npos);
    CHECK_FALSE(specs.nodes({"other.com/gpu", "0"}));
    fs::remove_all(place);
}

TEST_CASE("a CDI device that no specification has is told, and is nobody's") {
    const auto phone = handset(R"({"gpu": [{"cdi": "nobody.example/gpu=0", "right": "render"}]})");
    const auto there = host::find_devices(phone);
    CHECK(
        std::ranges::none_of(there.devices, [](const auto& d) { return d.device_class == "gpu"; }));
    CHECK(std::ranges::any_of(there.problems, [](const std::string& p) {
        return p.find("no CDI specification has 'nobody.example/gpu=0'") != std::string::npos;
    }));
    CHECK(host::watched_subsystems(phone).contains("drm"));
}
