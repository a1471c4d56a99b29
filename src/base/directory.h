// base: directories: which files one has, and that what became of them is on the storage. Reads
// none of them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pmos {

// Paths of what ends so (".pub"), sorted. A directory that is not there is Code::not_found.
Result<std::vector<std::string>> list_directory(const std::string& directory,
                                                std::string_view extension);

std::string directory_of(const std::string& path);
Result<> sync_directory(const std::string& path);

}  // namespace pmos
