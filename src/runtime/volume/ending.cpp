// volume: the mark that a mode's keys are being destroyed, on the storage. Destroys nothing itself.
#include "runtime/volume/ending.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/fd.h"
#include "runtime/volume/files.h"
#include "runtime/volume/request.h"

namespace pmos::volume {
namespace {

// Beside the count of wrong secrets, where a mode has what is its own and not a volume's. "":
// nowhere.
std::string place_of(const Request& request) {
    const auto directory = text(request.attempts);
    return directory.empty() ? std::string() : fmt::format("{}/ending", directory);
}

}  // namespace

Result<void> mark_ending(const Request& request) {
    const std::string place = place_of(request);
    if (place.empty()) return {};
    const std::string directory = directory_of(place);
    for (const auto& path : {directory_of(directory), directory})
        if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
            return fail(errno_error(errno, fmt::format("cannot make directory '{}'", path)));
    const UniqueFd file(
        ::open(place.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
    if (!file || ::fsync(file.get()) != 0)
        return fail(errno_error(errno, fmt::format("cannot make '{}'", place)));
    PMOS_TRY(sync_directory(directory));
    return sync_directory(directory_of(directory));
}

Result<void> unmark_ending(const Request& request) {
    const std::string place = place_of(request);
    if (place.empty()) return {};
    if (::unlink(place.c_str()) != 0) {
        if (errno == ENOENT) return {};
        return fail(errno_error(errno, fmt::format("cannot remove '{}'", place)));
    }
    const std::string directory = directory_of(place);
    // Where nothing is counted it was made for the mark alone.
    if (request.key == KeyKind::device_key && ::rmdir(directory.c_str()) == 0)
        return sync_directory(directory_of(directory));
    return sync_directory(directory);
}

Result<bool> is_ending(const Request& request) {
    const std::string place = place_of(request);
    if (place.empty()) return false;
    if (::access(place.c_str(), F_OK) == 0) return true;
    if (errno == ENOENT) return false;
    return fail(errno_error(errno, fmt::format("cannot look at '{}'", place)));
}

}  // namespace pmos::volume
