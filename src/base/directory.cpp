// base: directories: which files one has, and that what became of them is on the storage. Reads
// none of them.
#include "base/directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/fd.h"

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

std::string directory_of(const std::string& path) {
    return std::filesystem::path(path).parent_path();
}

Result<> sync_directory(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0)
        return fail(errno_error(errno, fmt::format("cannot sync directory '{}'", path)));
    return {};
}

}  // namespace pmos
