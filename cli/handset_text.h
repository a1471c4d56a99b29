// cli: handset.json as it is made from what udev knows, with comments for who reads it. Pure.
#pragma once

#include <span>
#include <string>

#include "runtime/host/detect.h"

namespace pmos::cli {

// Every class is in it; one that has no device is an empty list. Its own reader takes it, and so
// does one of plain JSON where there are no comments.
std::string handset_text(const std::string& model, std::span<const host::DetectedMatch> found,
                         bool comments);

}  // namespace pmos::cli
