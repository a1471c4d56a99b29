// volume: bytes into a place of an open file or device. Never syncs.
#include "runtime/volume/write_at.h"

#include <unistd.h>

#include <cerrno>
#include <string>

namespace pmos::volume {

Result<void> write_at(BorrowedFd file, std::span<const std::byte> bytes, std::uint64_t at,
                      std::string_view what) {
    while (!bytes.empty()) {
        const ssize_t n = ::pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(at));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return fail(errno_error(n < 0 ? errno : EIO, std::string(what)));
        bytes = bytes.subspan(static_cast<std::size_t>(n));
        at += static_cast<std::uint64_t>(n);
    }
    return {};
}

}  // namespace pmos::volume
