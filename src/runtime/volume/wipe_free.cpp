// volume: overwrites what deleted files have left in an open volume, while it is in use. Touches no
// file that is there.
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "runtime/volume/filesystem.h"
#include "runtime/volume/header.h"
#include "runtime/volume/worker.h"

namespace pmos::volume {
namespace {

constexpr std::size_t kPart = 4U << 20;
// Left for the mode, which goes on writing meanwhile. What ext4 keeps for its own needs (2 % of the
// volume, 16 MiB at most) is out of reach as well.
constexpr std::uint64_t kLeft = 1 << 20;

Result<struct statfs> look(BorrowedFd root) {
    struct statfs st {};
    if (::fstatfs(root.get(), &st) != 0)
        return fail(errno_error(errno, "cannot look at the volume's file system"));
    return st;
}

std::uint64_t free_bytes(const struct statfs& st) {
    return static_cast<std::uint64_t>(st.f_bavail) * static_cast<std::uint64_t>(st.f_bsize);
}

// Zeros: through dm-crypt they are written as noise. The file has no name, and its room comes back
// with the descriptor, or after a power cut when ext4 takes its orphans in.
Result<void> fill(BorrowedFd root, Channel& channel) {
    const UniqueFd file(::openat(root.get(), ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
    if (!file) return fail(errno_error(errno, "cannot make a file in the volume"));
    PMOS_ASSIGN(const auto st, look(root));
    const std::uint64_t target = free_bytes(st) - std::min(kLeft, free_bytes(st));
    const std::vector<std::byte> zeros(kPart);
    for (std::uint64_t done = 0; done < target;) {
        PMOS_TRY(channel.progress(static_cast<std::uint32_t>(done * 1000 / target),
                                  "overwriting free space"));
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(kPart, target - done));
        const ssize_t n = ::write(file.get(), zeros.data(), size);
        // The mode has taken the rest: there is nothing more to overwrite.
        if (n < 0 && errno == ENOSPC) break;
        if (n < 0) return fail(errno_error(errno, "cannot write in the volume"));
        // Page by page onto the storage, so that the progress is true and memory stays free.
        if (::sync_file_range(file.get(), static_cast<off_t>(done), n,
                              SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER) != 0)
            return fail(errno_error(errno, "cannot write in the volume"));
        done += static_cast<std::uint64_t>(n);
    }
    if (::fsync(file.get()) != 0) return fail(errno_error(errno, "cannot write in the volume"));
    return {};
}

}  // namespace

Result<Event> wipe_free(const Request& request, Channel& channel) {
    PMOS_TRY(check_complete(request));
    PMOS_TRY(channel.catch_signals());
    PMOS_TRY(check_open(request));
    PMOS_ASSIGN(const UniqueFd root,
                mount_checked("/dev/mapper/" + std::string(text(request.dm_name)), channel));
    PMOS_TRY(fill(root.borrow(), channel));
    Event event;
    event.kind = EventKind::done;
    event.provisioned = event.active = 1;
    return event;
}

}  // namespace pmos::volume
