// base: which files a directory has. Reads none of them.
#include "base/directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace pmos {

Result<std::vector<std::string>> list_directory(const std::string& directory,
                                                std::string_view extension) {
    namespace fs = std::filesystem;
    std::vector<std::string> paths;
    std::error_code error;
    for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error))
        if (it->path().extension() == extension) paths.push_back(it->path());
    if (error) return fail(errno_error(error.value(), fmt::format("cannot read '{}'", directory)));
    std::ranges::sort(paths);
    return paths;
}

}  // namespace pmos
