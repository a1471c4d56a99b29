// base: a whole regular file as bytes, for files that others wrote. Follows no link, never blocks.
#include "base/regular_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/fd.h"

namespace pmos {
namespace {

constexpr std::size_t kChunk = 64U << 10;

Result<std::string> read_all(const UniqueFd& fd, const std::string& what, std::size_t limit) {
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0) return fail(errno_error(errno, what));
    if (!S_ISREG(st.st_mode)) return fail(Code::usage, what, "it is not a regular file");
    std::string bytes;
    // By pieces: what a sparse file says of its size is no reason to take that memory.
    while (bytes.size() <= limit) {
        const std::size_t used = bytes.size();
        bytes.resize(used + std::min(kChunk, limit + 1 - used));
        const ssize_t n = ::read(fd.get(), bytes.data() + used, bytes.size() - used);
        bytes.resize(used + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(errno_error(errno, what));
        if (n == 0) return bytes;
    }
    return fail(Code::usage, what, fmt::format("it is larger than {} KiB", limit / 1024));
}

Result<std::string> opened(UniqueFd fd, const std::string& path, std::size_t limit) {
    const std::string what = fmt::format("cannot read '{}'", path);
    if (!fd && errno == ELOOP) return fail(Code::usage, what, "it is a symbolic link");
    if (!fd && errno == EXDEV) return fail(Code::usage, what, "it lies outside of its directory");
    if (!fd) return fail(errno_error(errno, what));
    return read_all(fd, what, limit);
}

constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;

}  // namespace

Result<std::string> read_regular_file(const std::string& path, std::size_t limit) {
    return opened(UniqueFd(::open(path.c_str(), kFlags)), path, limit);
}

Result<std::string> read_regular_file_below(const std::string& directory, const std::string& path,
                                            std::size_t limit) {
    const UniqueFd dir(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!dir) return fail(errno_error(errno, fmt::format("cannot open '{}'", directory)));
    open_how how{};
    how.flags = static_cast<std::uint64_t>(kFlags);
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    const auto fd =
        static_cast<int>(::syscall(SYS_openat2, dir.get(), path.c_str(), &how, sizeof how));
    return opened(UniqueFd(fd), path, limit);
}

}  // namespace pmos
