// host: which device nodes this phone has for which class. Looks only; never opens a device.
#pragma once

#include <string>
#include <vector>

#include "policy/host_facts.h"

namespace pmos::host {

// The render nodes, by minor number.
std::vector<policy::HostDevice> gpu_devices(const std::string& sys_class_drm = "/sys/class/drm");

}  // namespace pmos::host
