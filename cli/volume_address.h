// cli: which volume of which mode a verb is about, and how it is asked for.
#pragma once

#include <memory>
#include <string>

#include "cli/verbs.h"

namespace pmos::cli {

struct VolumeName {
    std::string mode, volume;
};

// The interface of the volumes on a mode's object.
Address volumes_address(const std::string& mode);
// MODE and VOLUME; a mode's only volume need not be named.
void add_volume_options(CLI::App& app, VolumeName& name);
// Fills the name in where it was left out.
Result<> settle_name(BusClient& bus, VolumeName& name);

}  // namespace pmos::cli
