// host: the small files of /proc, /sys and cgroupfs. One read or one write each, never logs.
#include "runtime/host/small_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace pmos::host {
namespace {

constexpr std::size_t kMaxBytes = 1 << 20;

int base_of(BorrowedFd directory) { return directory ? directory.get() : AT_FDCWD; }

}  // namespace

std::optional<std::string> read_small_file(BorrowedFd directory, const std::string& path) {
    const UniqueFd fd(::openat(base_of(directory), path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return std::nullopt;
    std::string text;
    std::array<char, 4096> block{};
    while (text.size() < kMaxBytes) {
        const ssize_t n = ::read(fd.get(), block.data(), block.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return std::nullopt;
        if (n == 0) break;
        text.append(block.data(), static_cast<std::size_t>(n));
    }
    return text;
}

int write_small_file(BorrowedFd directory, const std::string& path, std::string_view value) {
    const UniqueFd fd(
        ::openat(base_of(directory), path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd) return errno;
    const ssize_t n = ::write(fd.get(), value.data(), value.size());
    if (n < 0) return errno;
    return n == static_cast<ssize_t>(value.size()) ? 0 : EIO;
}

std::vector<std::string> split_words(std::string_view text) {
    constexpr std::string_view kSpace = " \t\n\v\f\r";
    std::vector<std::string> words;
    for (auto at = text.find_first_not_of(kSpace); at != std::string_view::npos;
         at = text.find_first_not_of(kSpace, at)) {
        const auto end = std::min(text.find_first_of(kSpace, at), text.size());
        words.emplace_back(text.substr(at, end - at));
        at = end;
    }
    return words;
}

}  // namespace pmos::host
