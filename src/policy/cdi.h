// policy: what a specification of the Container Device Interface says of device nodes
// (github.com/cncf-tags/container-device-interface, SPEC.md, versions 0.3 to 1.0). Looks at none.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/diagnostic.h"

namespace pmos::policy {

// "vendor.com/class=device", as CDI writes it.
struct CdiName {
    std::string kind, device;
};
std::optional<CdiName> parse_cdi_name(std::string_view text);

struct CdiSpec {
    std::string kind;  // "vendor.com/class"
    // Host paths of the nodes by the device's name; those that come with any device are in each.
    std::map<std::string, std::vector<std::string>> devices;
};
// Nothing where it has a fault. What is not about nodes is not judged and not done, mounts,
// variables and hooks among it: what a mode's programs need lies in its image.
std::optional<CdiSpec> read_cdi(std::string_view file, std::string_view bytes,
                                std::vector<Diagnostic>& diagnostics);

}  // namespace pmos::policy
