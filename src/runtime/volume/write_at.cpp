// volume: bytes into a place of an open file or device.
#include "runtime/volume/write_at.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

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

Result<void> write_zeros(BorrowedFd file, std::uint64_t bytes, std::string_view what) {
    const std::vector<std::byte> zeros(std::min<std::uint64_t>(bytes, 1 << 20));
    for (std::uint64_t at = 0; at < bytes; at += zeros.size())
        PMOS_TRY(
            write_at(file, std::span(zeros).first(std::min(bytes - at, zeros.size())), at, what));
    if (::fsync(file.get()) != 0) return fail(errno_error(errno, std::string(what)));
    return {};
}

}  // namespace pmos::volume
