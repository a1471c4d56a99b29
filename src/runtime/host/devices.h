// host: which device nodes this phone has for which class. Looks only; never opens a device.
#pragma once

#include <set>
#include <span>
#include <string>
#include <vector>

#include "policy/handset.h"
#include "policy/host_facts.h"
#include "runtime/host/udev.h"

namespace pmos::host {

// handset.json as it stands; that of a phone that has none.
struct HandsetFile {
    std::string text;
    policy::Handset handset;
    std::vector<policy::Diagnostic> diagnostics;
};
HandsetFile read_handset_file(const std::string& path);

bool matches(const policy::DeviceMatch& match, const UdevDevice& device);
// What the handset's matches find among these; paths find nothing here. A node has a class and
// right once.
std::vector<policy::HostDevice> match_devices(const policy::Handset& handset,
                                              std::span<const UdevDevice> devices);

struct FoundDevices {
    std::vector<policy::HostDevice> devices;  // by class and right, in the order of their numbers
    std::vector<std::string> problems;
};
FoundDevices find_devices(const policy::Handset& handset);

// Those that the matches name.
std::set<std::string> matched_subsystems(const policy::Handset& handset);
// Those in which a device comes or goes that may be meant: of one that is named by its path nobody
// knows where it will turn up, but where such devices are.
std::set<std::string> watched_subsystems(const policy::Handset& handset);

}  // namespace pmos::host
