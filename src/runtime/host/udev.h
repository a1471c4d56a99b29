// host: the devices of this phone as udev knows them. Looks only; never opens a device.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"

namespace pmos::host {

struct UdevDevice {
    std::string subsystem, sysname, devtype{};
    std::string devnode{};  // "/dev/..."
    bool block = false;
    std::uint32_t major = 0, minor = 0;
    // Its own, and those beginning with ID_ that only a device has that it hangs on: of a sound
    // card the card knows where it is, and not its microphone.
    std::map<std::string, std::string> properties{};
    std::string driver{};             // its own, or that of the nearest device it hangs on
    std::string vendor{}, product{};  // words for a person, where udev has any

    bool operator==(const UdevDevice&) const = default;
};

// Those of these subsystems that have a node which is there, in the order of their names. Without
// a running udev the kernel's own list is seen, with few properties.
Result<std::vector<UdevDevice>> list_devices(const std::set<std::string>& subsystems);
// Code::not_found where udev knows none by these numbers.
Result<UdevDevice> find_device(bool block, std::uint32_t major, std::uint32_t minor);

}  // namespace pmos::host
