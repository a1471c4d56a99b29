// host: which device nodes this phone has for which class. Looks only; never opens a device.
#include "runtime/host/devices.h"

#include <fmt/core.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string_view>
#include <tuple>

#include "policy/names.h"
#include "runtime/host/cdi.h"
#include "runtime/host/small_file.h"

namespace pmos::host {
namespace {

using policy::DeviceMatch;
using policy::HostDevice;

constexpr std::string_view kDev = "/dev/";

struct Home {
    std::string_view device_class, subsystems;
};
constexpr std::array kHomes{
    Home{"gpu", "drm"},
    Home{"audio", "sound"},
    Home{"camera", "video4linux|media"},
    Home{"gnss", "gnss|tty"},
    Home{"sensors", "iio|input"},
    Home{"modem", "tty|wwan|usbmisc"},
    Home{"usb", "usb|usbmisc"},
    Home{"vibrator", "input"},
    Home{"bluetooth", "tty|bluetooth"},
    Home{"torch", "leds|video4linux"},
};

bool fits(const std::string& pattern, const std::string& text) {
    return ::fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
}

std::string place(const DeviceMatch& match) { return policy::to_text(match.at); }

// "" and a device, or what is wrong with the path.
std::string look_at(const DeviceMatch& match, const std::string& path, HostDevice& device) {
    const std::unique_ptr<char, decltype(&::free)> real(::realpath(path.c_str(), nullptr), &::free);
    if (!real && errno == ENOENT) return fmt::format("{}: '{}' is not there", place(match), path);
    struct stat st {};
    if (!real || ::stat(real.get(), &st) != 0)
        return fmt::format("{}: cannot look at '{}': {}", place(match), path, std::strerror(errno));
    const std::string_view node(real.get());
    if (!node.starts_with(kDev) || (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)))
        return fmt::format("{}: '{}' is not a device", place(match), path);
    device = {match.device_class,  match.right,         std::string(node.substr(kDev.size())),
              S_ISBLK(st.st_mode), ::major(st.st_rdev), ::minor(st.st_rdev)};
    return "";
}

// Where they are named, one by one.
std::vector<std::string> paths_of(const DeviceMatch& match, const CdiSpecs& specs,
                                  std::vector<std::string>& problems) {
    if (!match.path.empty()) return {match.path};
    const auto name = policy::parse_cdi_name(match.cdi);
    if (!name) return {};  // told where it stands
    auto nodes = specs.nodes(*name);
    if (nodes) return std::move(*nodes);
    problems.push_back(fmt::format("{}: {}", place(match), nodes.error().message()));
    return {};
}

// One order, whatever found them, so that a plan changes only with the devices.
void put_in_order(std::vector<HostDevice>& devices) {
    const auto key = [](const HostDevice& d) {
        return std::tie(d.device_class, d.right, d.block, d.major, d.minor, d.path);
    };
    std::ranges::sort(devices, {}, key);
    const auto twice = std::ranges::unique(devices, {}, key);
    devices.erase(twice.begin(), twice.end());
}

}  // namespace

HandsetFile read_handset_file(const std::string& path) {
    HandsetFile out;
    // Only one that is not there is none: what a link or a directory keeps from us may deny.
    std::error_code ignored;
    const auto there = std::filesystem::symlink_status(path, ignored);
    if (there.type() == std::filesystem::file_type::not_found) {
        out.handset = policy::built_in_handset();
    } else if (auto bytes = read_small_file(path)) {
        out.text = std::move(*bytes);
        out.handset = policy::read_handset(path, out.text, out.diagnostics);
    } else {
        out.diagnostics.push_back(policy::finding(policy::Rule::unreadable_profile,
                                                  {path, 0, 0, ""}, "it cannot be read",
                                                  "it is a file of at most 1 MiB"));
    }
    return out;
}

bool matches(const DeviceMatch& match, const UdevDevice& device) {
    if (!match.by_udev() || match.subsystem != device.subsystem || device.devnode.empty())
        return false;
    if (!match.name.empty() && !fits(match.name, device.sysname)) return false;
    if (!match.driver.empty() && !fits(match.driver, device.driver)) return false;
    return std::ranges::all_of(match.properties, [&](const auto& wanted) {
        const auto has = device.properties.find(wanted.first);
        return has != device.properties.end() && fits(wanted.second, has->second);
    });
}

std::vector<HostDevice> match_devices(const policy::Handset& handset,
                                      std::span<const UdevDevice> devices) {
    std::vector<HostDevice> found;
    for (const auto& match : handset.matches)
        for (const auto& device : devices)
            if (device.devnode.starts_with(kDev) && matches(match, device))
                found.push_back({match.device_class, match.right,
                                 device.devnode.substr(kDev.size()), device.block, device.major,
                                 device.minor});
    put_in_order(found);
    return found;
}

FoundDevices find_devices(const policy::Handset& handset) {
    FoundDevices found;
    if (const auto devices = list_devices(matched_subsystems(handset)))
        found.devices = match_devices(handset, *devices);
    else
        found.problems.push_back(devices.error().message());
    const bool wants_cdi = std::ranges::any_of(
        handset.matches, [](const DeviceMatch& match) { return !match.cdi.empty(); });
    const CdiSpecs specs = wants_cdi ? CdiSpecs::read() : CdiSpecs();
    found.problems.insert(found.problems.end(), specs.problems().begin(), specs.problems().end());
    for (const auto& match : handset.matches) {
        if (match.by_udev()) continue;
        for (const auto& path : paths_of(match, specs, found.problems)) {
            HostDevice device;
            if (auto problem = look_at(match, path, device); problem.empty())
                found.devices.push_back(std::move(device));
            else
                found.problems.push_back(std::move(problem));
        }
    }
    put_in_order(found.devices);
    return found;
}

std::set<std::string> matched_subsystems(const policy::Handset& handset) {
    std::set<std::string> names;
    for (const auto& match : handset.matches)
        if (match.by_udev()) names.insert(match.subsystem);
    return names;
}

std::set<std::string> watched_subsystems(const policy::Handset& handset) {
    auto names = matched_subsystems(handset);
    for (const auto& match : handset.matches) {
        if (match.by_udev()) continue;
        const auto home =
            std::ranges::find(kHomes, std::string_view(match.device_class), &Home::device_class);
        if (home == kHomes.end()) continue;
        for (const auto name : policy::split_list(home->subsystems)) names.emplace(name);
    }
    return names;
}

}  // namespace pmos::host
