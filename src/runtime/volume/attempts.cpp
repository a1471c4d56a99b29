// volume: the record of a mode's wrong secrets on the storage, in two copies. Sees no secret.
#include "runtime/volume/attempts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <string>

#include "base/regular_file.h"

namespace pmos::volume {
namespace {

constexpr std::array<std::string_view, 2> kCopies{"a", "b"};
constexpr std::uint64_t kFarAhead = 1ULL << 32;

Result<void> sync(BorrowedFd fd, const std::string& path) {
    if (::fsync(fd.get()) == 0) return {};
    return fail(errno_error(errno, fmt::format("cannot sync '{}'", path)));
}

Result<UniqueFd> open_directory(const std::string& path) {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd) return fail(errno_error(errno, fmt::format("cannot open directory '{}'", path)));
    return fd;
}

// A name that is lost with the power would take the count with it: also one that was made by a
// worker that was cut off before it had it synced.
Result<void> make_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
        return fail(errno_error(errno, fmt::format("cannot make directory '{}'", path)));
    const std::string above = path.substr(0, path.rfind('/'));
    PMOS_ASSIGN(const UniqueFd parent, open_directory(above));
    return sync(parent.borrow(), above);
}

Result<void> write_whole(BorrowedFd fd, std::string_view bytes, const std::string& path) {
    const ssize_t n = ::pwrite(fd.get(), bytes.data(), bytes.size(), 0);
    if (n != static_cast<ssize_t>(bytes.size()))
        return fail(errno_error(n < 0 ? errno : ENOSPC, fmt::format("cannot write '{}'", path)));
    return sync(fd, path);
}

Result<void> make_file(BorrowedFd directory, const std::string& name, std::string_view bytes,
                       const std::string& shown) {
    const UniqueFd fd(::openat(directory.get(), name.c_str(),
                               O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) return fail(errno_error(errno, fmt::format("cannot make '{}'", shown)));
    return write_whole(fd.borrow(), bytes, shown);
}

}  // namespace

AttemptRecord::AttemptRecord(AttemptDisk& disk) : disk_(&disk) {
    bool any = false, bad = false;
    std::size_t whole = 0;
    for (std::size_t copy = 0; copy < kCopies.size(); ++copy) {
        const auto text = disk_->read(copy);
        if (!text && text.error().code == Code::not_found) continue;
        const auto found = text ? read_record(*text) : std::nullopt;
        if (!found) {
            bad = true;
            alone_ = text ? fmt::format("copy '{}' is damaged", kCopies.at(copy))
                          : text.error().message();
            continue;
        }
        ++whole;
        if (!any || found->writes > attempts_.writes) {
            any = true;
            attempts_ = *found;
            newest_ = copy;
        }
    }
    // The first write of all makes one after the other: there power may have gone.
    if (!bad && whole == 1 && attempts_.writes > 1) alone_ = "the other copy is not there";
    damaged_ = bad && !any;
    if (!damaged_) return;
    attempts_ = Attempts::unreadable();
    // What cannot be read now may be read again one day, and must not be the newer one then.
    attempts_.writes = kFarAhead;
}

// What cannot be written where it is may still be replaced: a bad block, say.
Result<void> AttemptRecord::put(std::size_t copy, std::string_view bytes) {
    auto written = disk_->write(copy, bytes);
    if (written || written.error().code == Code::no_space) return written;
    return disk_->replace(copy, bytes) ? Result<void>() : written;
}

// The lost copy may say less than there was. It must be gone, or be no record: else it would be
// believed as soon as the other one is lost as well. A name that is gone, but perhaps not on the
// storage, is not gone.
Result<void> AttemptRecord::settle_for_one(std::size_t lost, const Error& cause) {
    if (auto removed = disk_->remove(lost); !removed) {
        const auto text = disk_->read(lost);
        const bool no_record = text ? !read_record(*text) : text.error().code != Code::not_found;
        if (!no_record) return removed;
    }
    alone_ = cause.message();
    return {};
}

Result<void> AttemptRecord::write(const Attempts& next) {
    Attempts fresh = next;
    fresh.writes = attempts_.writes + 1;
    const std::string text = write_record(fresh);
    const std::size_t newest = newest_, other = 1 - newest;
    alone_.clear();
    // The newest last: until the other is on the storage it may be the only one that is whole.
    auto first = put(other, text);
    if (first) {
        newest_ = other;
    } else {
        // Nothing is counted yet. Somebody can make room; no copy is given up for want of it.
        if (first.error().code == Code::no_space) return first;
        PMOS_TRY(settle_for_one(other, first.error()));
        PMOS_TRY(disk_->replace(newest, text));
    }
    attempts_ = fresh;
    damaged_ = false;
    if (!first) return {};
    if (auto second = put(newest, text); !second) return settle_for_one(newest, second.error());
    return {};
}

Result<AttemptDirectory> AttemptDirectory::lock(const std::string& path) {
    PMOS_TRY(make_directory(path.substr(0, path.rfind('/'))));
    PMOS_TRY(make_directory(path));
    AttemptDirectory directory(path);
    PMOS_ASSIGN(directory.fd_, open_directory(path));
    struct stat st {};
    if (::fstat(directory.fd_.get(), &st) != 0)
        return fail(errno_error(errno, fmt::format("cannot look at '{}'", path)));
    if (st.st_uid != ::geteuid() || (st.st_mode & 0022U) != 0)
        return fail(Code::denied, fmt::format("wrong secrets cannot be counted in '{}'", path),
                    "others than root may write there",
                    fmt::format("chown root {0} && chmod 0700 {0}", path));
    if (::flock(directory.fd_.get(), LOCK_EX | LOCK_NB) == 0) return directory;
    if (errno == EWOULDBLOCK)
        return fail(Code::busy, "another attempt on this mode's secret is being judged", "",
                    "try again");
    return fail(errno_error(errno, fmt::format("cannot lock '{}'", path)));
}

Result<std::string> AttemptDirectory::read(std::size_t copy) {
    const std::string name(kCopies.at(copy));
    if (::faccessat(AT_FDCWD, (path_ + "/" + name).c_str(), F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
        errno == ENOENT)
        return fail(Code::not_found, fmt::format("there is no '{}/{}'", path_, name));
    return read_regular_file_below(path_, name, kRecordBytes);
}

Result<void> AttemptDirectory::write(std::size_t copy, std::string_view bytes) {
    const std::string name(kCopies.at(copy));
    const UniqueFd there(
        ::openat(fd_.get(), name.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    struct stat st {};
    // In place: its block is its own already, so a full disk refuses nothing, unless the file
    // system writes no block over.
    if (there && ::fstat(there.get(), &st) == 0 && S_ISREG(st.st_mode) &&
        st.st_size == static_cast<off_t>(bytes.size()))
        return write_whole(there.borrow(), bytes, path_ + "/" + name);
    return replace(copy, bytes);
}

Result<void> AttemptDirectory::replace(std::size_t copy, std::string_view bytes) {
    const std::string name(kCopies.at(copy)), path = path_ + "/" + name, fresh = name + ".new";
    auto made = make_file(fd_.borrow(), fresh, bytes, path);
    if (made && ::renameat(fd_.get(), fresh.c_str(), fd_.get(), name.c_str()) != 0)
        made = fail(errno_error(errno, fmt::format("cannot make '{}'", path)));
    if (made) return sync(fd_.borrow(), path_);
    ::unlinkat(fd_.get(), fresh.c_str(), 0);
    return made;
}

Result<void> AttemptDirectory::remove(std::size_t copy) {
    const std::string name(kCopies.at(copy));
    if (::unlinkat(fd_.get(), name.c_str(), 0) != 0 && errno != ENOENT)
        return fail(errno_error(errno, fmt::format("cannot remove '{}/{}'", path_, name)));
    return sync(fd_.borrow(), path_);
}

Result<BootMoment> boot_moment() {
    timespec now{};
    if (::clock_gettime(CLOCK_BOOTTIME, &now) != 0)
        return fail(errno_error(errno, "cannot read the boot clock"));
    constexpr const char* kBootId = "/proc/sys/kernel/random/boot_id";
    const UniqueFd fd(::open(kBootId, O_RDONLY | O_CLOEXEC));
    std::array<char, 36> id{};
    if (!fd || ::read(fd.get(), id.data(), id.size()) != static_cast<ssize_t>(id.size()))
        return fail(errno_error(errno, fmt::format("cannot read '{}'", kBootId)));
    return BootMoment{
        std::string(id.data(), id.size()),
        std::chrono::seconds(now.tv_sec) + std::chrono::microseconds(now.tv_nsec / 1000)};
}

Standing look_at_attempts(const std::string& path) {
    AttemptDirectory directory(path);
    AttemptRecord record(directory);
    // Between its two reads a worker may have written both copies.
    if (record.damaged() || !record.alone().empty()) record = AttemptRecord(directory);
    const auto now = boot_moment();
    // Without a clock nothing has been waited.
    return {record.damaged() ? 0 : record.attempts().failures,
            record.damaged() || !record.alone().empty(),
            remaining(record.attempts(), now ? *now : BootMoment())};
}

}  // namespace pmos::volume
