// host: how the devices of this phone are described so that it holds after the next boot. Pure.
#include "runtime/host/detect.h"

#include <algorithm>
#include <string_view>
#include <tuple>

#include "runtime/host/devices.h"

namespace pmos::host {
namespace {

using policy::DeviceMatch;

std::vector<DeviceMatch> rules() {
    auto rules = policy::built_in_handset().matches;
    rules.push_back({.device_class = "modem",
                     .right = "port",
                     .subsystem = "tty",
                     .properties = {{"ID_MM_PORT_TYPE_AT_PRIMARY", "1"}}});
    rules.push_back(
        {.device_class = "modem", .right = "port", .subsystem = "wwan", .name = "wwan*at*"});
    return rules;
}

// A pattern that matches this text alone.
std::string literal(std::string_view text) {
    std::string pattern;
    for (const char c : text) {
        if (std::string_view("*?[]\\").contains(c)) pattern += '\\';
        pattern += c;
    }
    return pattern;
}

DetectedMatch describe(const DeviceMatch& rule, const UdevDevice& device) {
    DetectedMatch out{rule, {device}};
    const auto path = device.properties.find("ID_PATH");
    if (path != device.properties.end())
        out.match.properties.emplace_back("ID_PATH", literal(path->second));
    else if (!device.driver.empty())
        out.match.driver = literal(device.driver);
    else
        out.told_apart = false;
    return out;
}

bool is_same(const DeviceMatch& a, const DeviceMatch& b) {
    const auto all = [](const DeviceMatch& m) {
        return std::tie(m.device_class, m.right, m.path, m.subsystem, m.name, m.driver,
                        m.properties);
    };
    return all(a) == all(b);
}

}  // namespace

std::vector<DetectedMatch> detect_devices(std::span<const UdevDevice> devices) {
    std::vector<DetectedMatch> found;
    for (const auto& rule : rules())
        for (const auto& device : devices) {
            if (!matches(rule, device)) continue;
            auto own = describe(rule, device);
            const auto there = std::ranges::find_if(
                found, [&](const DetectedMatch& d) { return is_same(d.match, own.match); });
            if (there == found.end())
                found.push_back(std::move(own));
            else
                there->devices.push_back(device);
        }
    return found;
}

std::set<std::string> detected_subsystems() {
    std::set<std::string> names;
    for (const auto& rule : rules()) names.insert(rule.subsystem);
    return names;
}

}  // namespace pmos::host
