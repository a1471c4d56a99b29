// cli: reads a growing file by position, so that others who share the descriptor are not moved.
#include "cli/tail.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace pmos::cli {
namespace {

constexpr std::size_t kBlock = 65536;

}  // namespace

Result<std::uint64_t> Tail::size() const {
    struct stat st {};
    if (::fstat(file_.get(), &st) != 0) return fail(errno_error(errno, "cannot read the log"));
    return static_cast<std::uint64_t>(st.st_size);
}

Result<std::string> Tail::read_at(std::uint64_t position, std::size_t count) const {
    std::string bytes(count, '\0');
    const ssize_t n = ::pread(file_.get(), bytes.data(), count, static_cast<off_t>(position));
    if (n < 0 && errno == EINTR) return read_at(position, count);
    if (n < 0) return fail(errno_error(errno, "cannot read the log"));
    bytes.resize(static_cast<std::size_t>(n));
    return bytes;
}

Result<> Tail::seek_last_lines(std::uint64_t n) {
    PMOS_ASSIGN(const std::uint64_t end, size());
    std::uint64_t begin = end, seen = 0;
    while (begin > 0) {
        const std::uint64_t from = begin > kBlock ? begin - kBlock : 0;
        PMOS_ASSIGN(const auto bytes, read_at(from, static_cast<std::size_t>(begin - from)));
        for (std::size_t i = bytes.size(); i-- > 0;) {
            // The line feed at the very end closes the last line, it does not begin one.
            if (bytes[i] != '\n' || from + i + 1 == end) continue;
            if (++seen < n) continue;
            position_ = from + i + 1;
            return {};
        }
        begin = from;
    }
    position_ = 0;
    return {};
}

Result<std::string> Tail::next() {
    PMOS_ASSIGN(const std::uint64_t end, size());
    if (end < position_) position_ = 0;
    PMOS_ASSIGN(auto bytes, read_at(position_, kBlock));
    position_ += bytes.size();
    return bytes;
}

}  // namespace pmos::cli
