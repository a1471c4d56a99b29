// cli: which processes of a cgroup have a device open now. Looks into /proc, opens no device.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"

namespace pmos::cli {

struct DeviceNumber {
    bool block = false;
    std::uint32_t major = 0, minor = 0;

    bool operator==(const DeviceNumber&) const = default;
};
// Of a node; Code::not_found where it is none.
Result<DeviceNumber> device_number(const std::string& node);

struct OpenDevice {
    int pid = 0;
    std::string program;  // as the process calls itself
    DeviceNumber device{};
    std::set<int> fds{};  // that lead to it
    bool mapped = false;  // it is in the process's memory, be it that no fd is left
};

// Of every process in the cgroup and below. One that ends meanwhile, or a cgroup that goes, has
// none. Needs root.
std::vector<OpenDevice> open_devices(const std::string& cgroup,
                                     const std::vector<DeviceNumber>& devices,
                                     const std::string& proc = "/proc");

}  // namespace pmos::cli
