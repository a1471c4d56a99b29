// cli: a secret's way from a worker's pipe to a person. It is held in a SecretBuffer, never in a
// std::string, and never goes to standard output.
#include "cli/secret_output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <span>

#include "cli/terminal.h"

namespace pmos::cli {
namespace {

Result<> write_all(int fd, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return fail(errno_error(errno, "cannot write the secret out"));
        bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return {};
}

Result<> write_text(int fd, std::string_view text) {
    return write_all(fd, std::as_bytes(std::span(text)));
}

}  // namespace

Result<SecretSink> SecretSink::open(int out_fd) {
    if (out_fd >= 0) {
        const int flags = ::fcntl(out_fd, F_GETFL);
        if (flags >= 0 && (flags & O_ACCMODE) != O_RDONLY) return SecretSink({}, out_fd);
        return fail(Code::usage, fmt::format("cannot write to descriptor {}", out_fd),
                    "it is not open for it",
                    "open it in the shell: pmosctl ... --out-fd 3 3> >(COMMAND)");
    }
    auto terminal = open_terminal();
    if (terminal) return SecretSink(std::move(*terminal), -1);
    return fail(Code::usage, "there is no terminal to show the secret on", "",
                "pass an open descriptor: pmosctl ... --out-fd 3 3> >(COMMAND)");
}

Result<> SecretSink::show(const SecretBuffer& secret, const std::string& what) const {
    const int fd = terminal_ ? terminal_.get() : fd_;
    if (terminal_) PMOS_TRY(write_text(fd, fmt::format("\n{}, shown this once:\n\n    ", what)));
    PMOS_TRY(write_all(fd, secret.bytes()));
    return write_text(fd, terminal_ ? "\n\n" : "\n");
}

Result<SecretPipe> make_secret_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail(errno_error(errno, "cannot make a pipe"));
    return SecretPipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

}  // namespace pmos::cli
