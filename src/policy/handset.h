// policy: what handset.json says: which devices of a phone are of which class. Looks at none.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy/diagnostic.h"
#include "policy/host_facts.h"

namespace pmos::policy {

struct Language;
const Language& handset_language();

struct DeviceClass {
    std::string_view name;
    std::vector<std::string_view> rights;  // of its devices, each opened by its own
};
// Those that a phone can be described with.
std::span<const DeviceClass> device_classes();
// Whether anything in this build gives the class to one mode and takes it from another.
bool is_arbitrated(std::string_view device_class);

// A node by its path, those of a CDI device, or whatever udev knows by these names. Patterns are
// fnmatch(3)'s.
struct DeviceMatch {
    std::string device_class, right;
    std::string path{};                         // "": by the rest
    std::string cdi{};                          // "vendor.com/class=device", "": by the rest
    std::string subsystem{}, name{}, driver{};  // name, driver: a pattern, "" any
    std::vector<std::pair<std::string, std::string>> properties{};  // name and pattern
    Location at{};                                                  // no file: a built-in rule

    bool by_udev() const noexcept { return path.empty() && cdi.empty(); }
};

struct Handset {
    std::string model;
    PanelLook panel_look;
    std::vector<DeviceMatch> matches;
};

// A phone without handset.json: what the subsystem alone tells. USB has no rule, for a modem and
// much else hangs there, and a modem has none.
Handset built_in_handset();
// Always something: a class with a fault has no device, and all have none where a fault may be
// about any. The model is read whatever is wrong elsewhere.
Handset read_handset(std::string_view file, std::string_view bytes,
                     std::vector<Diagnostic>& diagnostics);

}  // namespace pmos::policy
