// base: which files a directory has. Reads none of them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pmos {

// Paths of what ends so (".pub"), sorted. A directory that is not there is Code::not_found.
Result<std::vector<std::string>> list_directory(const std::string& directory,
                                                std::string_view extension);

}  // namespace pmos
