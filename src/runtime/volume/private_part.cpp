// volume: what is in a volume beside the data of its mode. See private_part.h. Reads nothing that
// the mode wrote.
#include "runtime/volume/private_part.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>

#include "policy/plan_image.h"
#include "runtime/volume/filesystem.h"
#include "runtime/volume/header.h"
#include "runtime/volume/usage.h"
#include "runtime/volume/worker.h"
#include "runtime/volume/write_at.h"

namespace pmos::volume {
namespace {

constexpr const char* kLog = "denials";

Error failed(const char* what) {
    return errno_error(errno, fmt::format("cannot {} the volume's private part", what));
}

// What differs of two texts of one length, and no more of the storage.
Result<void> write_changed(BorrowedFd file, std::string_view before, std::string_view after) {
    const auto first =
        static_cast<std::size_t>(std::ranges::mismatch(before, after).in2 - after.begin());
    std::size_t end = after.size();
    while (end > first && end <= before.size() && before[end - 1] == after[end - 1]) --end;
    PMOS_TRY(write_at(file, std::as_bytes(std::span(after)).subspan(first, end - first), first,
                      "cannot write in the volume's private part"));
    if (::fsync(file.get()) != 0) return fail(failed("write in"));
    return {};
}

Result<void> write_all(BorrowedFd to, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(to.get(), bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(errno_error(errno, "cannot write to the caller's file"));
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
}

// From its beginning; no more than `most`.
Result<std::string> read_all(BorrowedFd file, std::size_t most) {
    std::string bytes(most, '\0');
    std::size_t done = 0;
    while (done < most) {
        const ssize_t n =
            ::pread(file.get(), bytes.data() + done, most - done, static_cast<off_t>(done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(failed("read"));
        if (n == 0) break;
        done += static_cast<std::size_t>(n);
    }
    bytes.resize(done);
    return bytes;
}

Result<UniqueFd> open_log(const Request& request, int flags, Channel& channel) {
    PMOS_ASSIGN(const UniqueFd part, open_private_part(request, channel));
    UniqueFd log(::openat(part.get(), kLog, flags | O_CLOEXEC | O_NOFOLLOW));
    if (!log) return fail(failed("open"));
    return log;
}

Event done() {
    Event event;
    event.kind = EventKind::done;
    event.provisioned = event.active = 1;
    return event;
}

}  // namespace

Result<UniqueFd> open_private_part(const Request& request, Channel& channel) {
    PMOS_TRY(check_complete(request));
    PMOS_TRY(channel.catch_signals());
    PMOS_TRY(check_open(request));
    PMOS_ASSIGN(const UniqueFd root,
                mount_checked("/dev/mapper/" + std::string(text(request.dm_name)), channel));
    UniqueFd part(::openat(root.get(), policy::image::kPrivatePart,
                           O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (!part) return fail(failed("open"));
    return part;
}

std::string_view lines_of(std::string_view log) { return log.substr(0, log.find('\0')); }

std::string with_lines(std::string_view log, std::string_view lines) {
    std::string all(lines_of(log));
    all += lines;
    if (all.size() > kLogSize) {
        const auto end = all.find('\n', all.size() - kLogSize / 2);
        all.erase(0, end == std::string::npos ? all.size() : end + 1);
    }
    all.resize(kLogSize);
    return all;
}

Result<void> make_parts(const std::string& device) {
    PMOS_ASSIGN(const UniqueFd root, mount_detached(device));
    if (::mkdirat(root.get(), policy::image::kModePart, 0755) != 0 ||
        ::fchmodat(root.get(), policy::image::kModePart, 0755, 0) != 0 ||
        ::mkdirat(root.get(), policy::image::kPrivatePart, 0700) != 0)
        return fail(errno_error(errno, "cannot make the volume's two parts"));
    const UniqueFd part(::openat(root.get(), policy::image::kPrivatePart,
                                 O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (!part) return fail(failed("open"));
    const UniqueFd log(::openat(part.get(), kLog, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!log) return fail(failed("write in"));
    PMOS_TRY(write_changed(log.borrow(), "", with_lines("", "")));
    if (::syncfs(log.get()) != 0) return fail(failed("write in"));
    return {};
}

Result<Event> keep_denials(const Request& request, UniqueFd lines, Channel& channel) {
    PMOS_ASSIGN(const std::string added, read_all(lines.borrow(), kMaxLines));
    PMOS_ASSIGN(const UniqueFd log, open_log(request, O_RDWR, channel));
    PMOS_ASSIGN(const std::string before, read_all(log.borrow(), kLogSize));
    PMOS_TRY(write_changed(log.borrow(), before, with_lines(before, added)));
    return done();
}

Result<Event> read_denials(const Request& request, UniqueFd file, Channel& channel) {
    struct stat st {};
    if (::fstat(file.get(), &st) != 0 || !S_ISREG(st.st_mode))
        return fail(Code::usage, "denials are written into a regular file only",
                    "nobody waits here for the reader of a pipe");
    PMOS_ASSIGN(const UniqueFd log, open_log(request, O_RDONLY, channel));
    PMOS_ASSIGN(const std::string bytes, read_all(log.borrow(), kLogSize));
    PMOS_TRY(write_all(file.borrow(), lines_of(bytes)));
    return done();
}

}  // namespace pmos::volume
