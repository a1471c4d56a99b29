// tests: what 'handset detect' describes: the same devices again, by nothing that a boot changes.
#include "runtime/host/detect.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "runtime/host/devices.h"

using namespace pmos;
using host::UdevDevice;

namespace {

UdevDevice device(const char* subsystem, const char* sysname, const char* devnode,
                  std::map<std::string, std::string> properties, const char* driver = "") {
    return {.subsystem = subsystem,
            .sysname = sysname,
            .devnode = devnode,
            .properties = std::move(properties),
            .driver = driver};
}

const std::vector<UdevDevice> kPhone{
    device("drm", "renderD128", "/dev/dri/renderD128", {{"ID_PATH", "pci-0000:00:01.0"}}, "gpu"),
    device("drm", "renderD129", "/dev/dri/renderD129", {{"ID_PATH", "platform-*[x]\\"}}),
    device("sound", "pcmC0D0p", "/dev/snd/pcmC0D0p", {}, "snd_x"),
    device("sound", "pcmC0D1p", "/dev/snd/pcmC0D1p", {}, "snd_x"),
    device("sound", "pcmC1D0p", "/dev/snd/pcmC1D0p", {}, "snd_y"),
    device("iio", "iio:device0", "/dev/iio:device0", {}),
    device("tty", "ttyUSB2", "/dev/ttyUSB2", {{"ID_MM_PORT_TYPE_AT_PRIMARY", "1"}}, "option"),
    device("tty", "ttyUSB1", "/dev/ttyUSB1", {}, "option"),
    device("wwan", "wwan0at0", "/dev/wwan0at0", {{"ID_PATH", "pci-0000:01:00.0"}}),
};

const host::DetectedMatch& of(const std::vector<host::DetectedMatch>& found, const char* devnode) {
    const auto it = std::ranges::find_if(found, [&](const auto& one) {
        return std::ranges::count(one.devices, devnode, &UdevDevice::devnode) != 0;
    });
    REQUIRE(it != found.end());
    return *it;
}

}  // namespace

TEST_CASE("a device is told by where it is plugged in, else by its driver, else not") {
    const auto found = host::detect_devices(kPhone);
    CHECK(found.size() == 7);
    const auto& gpu = of(found, "/dev/dri/renderD128");
    CHECK(gpu.match.driver.empty());
    REQUIRE(gpu.match.properties.size() == 1);
    CHECK(gpu.match.properties[0].second == "pci-0000:00:01.0");
    CHECK(of(found, "/dev/dri/renderD129").match.properties[0].second == "platform-\\*\\[x\\]\\\\");
    const auto& cards = of(found, "/dev/snd/pcmC0D0p");
    CHECK(cards.match.driver == "snd_x");
    CHECK(cards.devices.size() == 2);
    CHECK(cards.told_apart);
    CHECK_FALSE(of(found, "/dev/iio:device0").told_apart);
    CHECK(of(found, "/dev/ttyUSB2").match.device_class == "modem");
    CHECK(of(found, "/dev/wwan0at0").match.right == "port");
}

TEST_CASE("what was described is what the description finds") {
    policy::Handset handset;
    std::vector<std::string> told;
    for (const auto& one : host::detect_devices(kPhone)) {
        handset.matches.push_back(one.match);
        CHECK(one.match.path.empty());
        for (const auto& device : one.devices) {
            CHECK(host::matches(one.match, device));
            told.push_back(device.devnode.substr(5));
        }
    }
    std::vector<std::string> again;
    for (const auto& device : host::match_devices(handset, kPhone)) again.push_back(device.path);
    std::ranges::sort(told);
    std::ranges::sort(again);
    CHECK(told == again);
}
