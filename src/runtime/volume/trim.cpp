// volume: tells the storage of an open volume which of its blocks are free. Writes no data.
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>

#include "runtime/volume/filesystem.h"
#include "runtime/volume/header.h"
#include "runtime/volume/worker.h"

namespace pmos::volume {
namespace {

// ext4 looks at whole groups: what is less than one is looked at twice.
constexpr std::uint64_t kPart = 128ULL << 20;

Error refused(const Request& request, int err) {
    Error e = errno_error(err, fmt::format("cannot trim {}", name_of(request)));
    if (err != EOPNOTSUPP) return e;
    e.code = Code::unsupported;
    e.why = "its storage takes no discards, or it was opened when its profile said \"never\"";
    e.fix = fmt::format("pmosctl lock {0}, and unlock it again; for its storage see lsblk -D",
                        text(request.mode));
    return e;
}

// The bytes that were told.
Result<std::uint64_t> trim_all(const Request& request, BorrowedFd root, Channel& channel) {
    struct statfs st {};
    if (::fstatfs(root.get(), &st) != 0)
        return fail(errno_error(errno, "cannot look at the volume's file system"));
    const auto whole =
        static_cast<std::uint64_t>(st.f_blocks) * static_cast<std::uint64_t>(st.f_bsize);
    // What the file system keeps for itself is not in f_blocks: the last part has no end.
    std::uint64_t told = 0;
    for (std::uint64_t at = 0; at <= whole; at += kPart) {
        PMOS_TRY(channel.progress(static_cast<std::uint32_t>(at * 1000 / (whole + kPart)),
                                  "telling which blocks are free"));
        fstrim_range range{at, at + kPart > whole ? UINT64_MAX - at : kPart, 0};
        if (::ioctl(root.get(), FITRIM, &range) != 0) {
            if (errno == EINVAL && at > 0) break;  // behind the end
            return fail(refused(request, errno));
        }
        told += range.len;
    }
    return told;
}

}  // namespace

Result<Event> trim(const Request& request, Channel& channel) {
    PMOS_TRY(check_complete(request));
    if (!may_discard(request))
        return fail(Code::unsupported, name_of(request) + " is not trimmed",
                    "its profile says that its storage never learns which blocks are free",
                    "see luks/discards in docs/profiles.md");
    PMOS_TRY(channel.catch_signals());
    PMOS_TRY(check_open(request));
    PMOS_ASSIGN(const UniqueFd root,
                mount_checked("/dev/mapper/" + std::string(text(request.dm_name)), channel));
    // A mount that is attached nowhere is a place, not a directory that was opened.
    const UniqueFd directory(::openat(root.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory) return fail(errno_error(errno, "cannot look at the volume's file system"));
    PMOS_ASSIGN(const std::uint64_t told, trim_all(request, directory.borrow(), channel));
    PMOS_TRY(channel.detail("trimmed", std::to_string(told)));
    Event event;
    event.kind = EventKind::done;
    event.provisioned = event.active = 1;
    return event;
}

}  // namespace pmos::volume
