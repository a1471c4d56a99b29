// cli: a secret's way from a person to pmosd's descriptor. It is held in a SecretBuffer and a
// pipe, never in an argument, an environment variable or a std::string.
#include "cli/secret_input.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "base/secret.h"
#include "cli/terminal.h"

namespace pmos::cli {
namespace {

Result<UniqueFd> terminal_for_secret() {
    if (::isatty(STDIN_FILENO) == 0)
        return fail(Code::usage, "cannot ask for the PIN", "standard input is not a terminal",
                    "pass an open descriptor: pmosctl ... --pin-fd 3 3< FILE");
    return open_terminal();
}

void say(BorrowedFd tty, std::string_view text) {
    // A prompt that cannot be shown is no reason to fail: the read below will tell.
    while (!text.empty()) {
        const ssize_t n = ::write(tty.get(), text.data(), text.size());
        if (n <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(n));
    }
}

Result<SecretBuffer> ask(BorrowedFd tty, const std::string& prompt) {
    say(tty, prompt + ": ");
    auto secret = read_secret(tty, kMaxSecret);
    say(tty, "\n");
    return secret;
}

bool same(const SecretBuffer& a, const SecretBuffer& b) {
    return std::ranges::equal(a.bytes(), b.bytes());
}

Result<SecretBuffer> from_terminal(const SecretSource& source) {
    PMOS_ASSIGN(const auto tty, terminal_for_secret());
    PMOS_ASSIGN(const auto guard, TerminalGuard::no_echo(tty.borrow()));
    PMOS_ASSIGN(auto secret, ask(tty.borrow(), source.prompt));
    if (!source.confirm) return secret;
    PMOS_ASSIGN(const auto again, ask(tty.borrow(), source.prompt + ", once more"));
    if (!same(secret, again))
        return fail(Code::usage, "the two entries differ", "", "try again, nothing has been done");
    return secret;
}

Result<SecretBuffer> from_descriptor(int fd) {
    if (::fcntl(fd, F_GETFD) < 0)
        return fail(Code::usage, "cannot read the PIN from descriptor " + std::to_string(fd),
                    "it is not open", "open it in the shell: pmosctl ... --pin-fd 3 3< FILE");
    return read_secret(BorrowedFd(fd), kMaxSecret);
}

// A pipe of the secret's own: pmosd must not be handed a terminal, nor a file it could write to,
// nor a pipe whose other end stays open.
Result<UniqueFd> into_pipe(std::span<const std::byte> bytes) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail(errno_error(errno, "cannot make a pipe"));
    UniqueFd reader(ends[0]), writer(ends[1]);
    // Below PIPE_BUF it goes in whole and does not block.
    static_assert(kMaxSecret <= 4096);
    if (!bytes.empty() &&
        ::write(writer.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
        return fail(errno_error(errno, "cannot pass the secret on"));
    return reader;
}

}  // namespace

void add_secret_options(CommandLine& line, SecretOptions& options, const std::string& what) {
    line.add_option("--pin-fd", options.pin_fd, what).not_negative();
    line.add_flag("--ask", options.ask, "ask for a secret though the TPM opens it without one");
}

Result<UniqueFd> obtain_secret(const SecretSource& source) {
    if (source.pin_fd >= 0) {
        PMOS_ASSIGN(const auto secret, from_descriptor(source.pin_fd));
        return into_pipe(secret.bytes());
    }
    if (!source.wanted) return into_pipe({});
    PMOS_ASSIGN(const auto secret, from_terminal(source));
    return into_pipe(secret.bytes());
}

}  // namespace pmos::cli
