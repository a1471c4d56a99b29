// bundle: the few operations on files that the slots are made of, so that a test can cut the power
// between any two of them. Knows no format.
#include "runtime/bundle/disk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/fault_points.h"
#include "base/regular_file.h"

namespace pmos::bundle {
namespace {

// Ends the process before its n-th operation, as a loss of power would: for tests of builds that
// can be told to fail.
void may_die() {
    if constexpr (kFaultPoints) {
        static int left = [] {
            const char* when = std::getenv("PMOS_BUNDLE_DIE_AT");
            return when != nullptr ? std::atoi(when) : -1;
        }();
        if (left >= 0 && left-- == 0) ::raise(SIGKILL);
    }
}

}  // namespace

Result<> replace(Disk& disk, const std::string& name, std::string_view bytes) {
    PMOS_TRY(disk.write(name + ".new", bytes));
    PMOS_TRY(disk.rename(name + ".new", name));
    return disk.sync();
}

Result<DirectoryDisk> DirectoryDisk::open(const std::string& path) {
    const std::string what = fmt::format("cannot use '{}'", path);
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return fail(errno_error(errno, what));
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    struct stat st {};
    if (!fd || ::fstat(fd.get(), &st) != 0) return fail(errno_error(errno, what));
    if (st.st_uid != ::geteuid() || (st.st_mode & 022U) != 0)
        return fail(Code::denied, what, "others than root may write there", "chmod 700 it");
    if (::flock(fd.get(), LOCK_EX) != 0) return fail(errno_error(errno, what));
    return DirectoryDisk(path, std::move(fd));
}

Result<std::string> DirectoryDisk::read(const std::string& name, std::size_t limit) {
    if (::faccessat(fd_.get(), name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
        return fail(Code::not_found, fmt::format("there is no '{}/{}'", path_, name));
    return read_regular_file_below(path_, name, limit);
}

Result<> DirectoryDisk::write(const std::string& name, std::string_view bytes) {
    auto written = fill(name, bytes);
    // Half of a bundle on a storage that is full would keep it full.
    if (!written) ::unlinkat(fd_.get(), name.c_str(), 0);
    return written;
}

Result<> DirectoryDisk::fill(const std::string& name, std::string_view bytes) {
    may_die();
    const std::string what = fmt::format("cannot write '{}/{}'", path_, name);
    const UniqueFd fd(::openat(fd_.get(), name.c_str(),
                               O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) return fail(errno_error(errno, what));
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd.get(), bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return fail(errno_error(n < 0 ? errno : ENOSPC, what));
        bytes.remove_prefix(static_cast<std::size_t>(n));
        may_die();
    }
    if (::fsync(fd.get()) != 0) return fail(errno_error(errno, what));
    return {};
}

Result<> DirectoryDisk::rename(const std::string& from, const std::string& to) {
    may_die();
    if (::renameat(fd_.get(), from.c_str(), fd_.get(), to.c_str()) != 0)
        return fail(errno_error(errno, fmt::format("cannot replace '{}/{}'", path_, to)));
    return {};
}

Result<> DirectoryDisk::sync() {
    may_die();
    const auto refused = [this] { return fail(errno_error(errno, "cannot sync '" + path_ + "'")); };
    if (::fsync(fd_.get()) != 0) return refused();
    if (name_lasts_) return {};
    // Its own name must last as well, also where one that was cut off has made it.
    const UniqueFd above(::openat(fd_.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!above || ::fsync(above.get()) != 0) return refused();
    name_lasts_ = true;
    return {};
}

}  // namespace pmos::bundle
