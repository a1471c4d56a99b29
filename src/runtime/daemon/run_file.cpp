// daemon: small files under /run/pmos and the state directory, of "key=value" lines as systemd
// keeps its own. Never leaves half of one.
#include "runtime/daemon/run_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/fd.h"
#include "base/regular_file.h"

namespace pmos::daemon {

Result<> remove_file(const std::string& path) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
        return fail(errno_error(errno, "cannot remove '" + path + "'"));
    return {};
}

std::string read_run_file(const std::string& path, std::size_t limit) {
    return read_regular_file(path, limit).value_or("");
}

Result<> replace_file(const std::string& path, std::string_view text) {
    const std::string fresh = path + ".new";
    const UniqueFd fd(
        ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) return fail(errno_error(errno, "cannot open '" + fresh + "'"));
    const auto refused = [&](int err, const std::string& what) {
        ::unlink(fresh.c_str());
        return fail(errno_error(err, what));
    };
    const ssize_t n = ::write(fd.get(), text.data(), text.size());
    if (n != static_cast<ssize_t>(text.size()))
        return refused(n < 0 ? errno : ENOSPC, "cannot write '" + fresh + "'");
    if (::rename(fresh.c_str(), path.c_str()) != 0)
        return refused(errno, "cannot replace '" + path + "'");
    return {};
}

std::string_view value_of(std::string_view text, std::string_view key) {
    while (!text.empty()) {
        const auto end = text.find('\n');
        const auto line = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
        if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == '=')
            return line.substr(key.size() + 1);
    }
    return {};
}

}  // namespace pmos::daemon
