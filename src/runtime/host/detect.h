// host: how the devices of this phone are described so that it holds after the next boot. Pure.
#pragma once

#include <set>
#include <span>
#include <string>
#include <vector>

#include "policy/handset.h"
#include "runtime/host/udev.h"

namespace pmos::host {

struct DetectedMatch {
    policy::DeviceMatch match;
    std::vector<UdevDevice> devices;  // those that it finds now
    bool told_apart = true;           // false: from another one of its kind by nothing that stays
};

// By the built-in rules, and of modems by what udev has for ModemManager. What tells one device
// from another is where it is plugged in, else its driver; never a number of this boot.
std::vector<DetectedMatch> detect_devices(std::span<const UdevDevice> devices);
std::set<std::string> detected_subsystems();

}  // namespace pmos::host
