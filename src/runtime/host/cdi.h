// host: which nodes a device of the Container Device Interface stands for on this phone. Looks
// only; makes none of the other changes that a specification asks for.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "policy/cdi.h"

namespace pmos::host {

// Where specifications lie, the later over the earlier (CDI SPEC.md, "CDI on the host").
inline const std::vector<std::string> kCdiDirectories{"/etc/cdi", "/var/run/cdi"};

class CdiSpecs {
  public:
    // Of every .json there; those in YAML are told as problems, and not read.
    static CdiSpecs read(const std::vector<std::string>& directories = kCdiDirectories);

    // Paths on the host; not_found with what there is instead.
    Result<std::vector<std::string>> nodes(const policy::CdiName& name) const;
    const std::vector<std::string>& problems() const noexcept { return problems_; }

  private:
    std::vector<policy::CdiSpec> specs_;  // in the order of their weight
    std::vector<std::string> problems_;
};

}  // namespace pmos::host
