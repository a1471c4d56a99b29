// volume: the mark on a block device whose volume has its header elsewhere: without it such a
// device looks as if nothing were on it. Writes nothing but that mark.
#include "runtime/volume/apart.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>

#include "runtime/volume/protocol.h"

namespace pmos::volume {
namespace {

// One sector, which is written whole or not at all.
using Sector = std::array<char, 512>;

Result<void> write_first(BorrowedFd device, const Sector& sector) {
    if (::pwrite(device.get(), sector.data(), sector.size(), 0) ==
            static_cast<ssize_t>(sector.size()) &&
        ::fsync(device.get()) == 0)
        return {};
    return fail(errno_error(errno, "cannot write the mark of a volume whose header is elsewhere"));
}

}  // namespace

Result<bool> is_marked_apart(const std::string& device) {
    const UniqueFd fd(::open(device.c_str(), O_RDONLY | O_CLOEXEC));
    Sector sector{};
    if (!fd ||
        ::pread(fd.get(), sector.data(), sector.size(), 0) != static_cast<ssize_t>(sector.size()))
        return fail(errno_error(errno, fmt::format("cannot read '{}'", device)));
    return std::string_view(sector.data(), kApartMark.size()) == kApartMark;
}

Result<void> mark_apart(BorrowedFd device) {
    Sector sector{};
    kApartMark.copy(sector.data(), kApartMark.size());
    return write_first(device, sector);
}

Result<void> unmark_apart(BorrowedFd device) { return write_first(device, Sector{}); }

}  // namespace pmos::volume
