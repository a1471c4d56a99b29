// cli: pmos-try inside a mode, asked one line at a time.
#include "cli/trial.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "cli/this_arch.h"
#include "policy/diagnostic.h"
#include "policy/syscalls.h"

namespace pmos::cli {
namespace {

// A descriptor that is ready, or an error when the time is over.
Result<> await(BorrowedFd fd, short events, std::chrono::steady_clock::time_point until) {
    using std::chrono::ceil, std::chrono::milliseconds;
    for (;;) {
        const auto left = ceil<milliseconds>(until - std::chrono::steady_clock::now()).count();
        pollfd ready{fd.get(), events, 0};
        const int count = ::poll(&ready, 1, static_cast<int>(std::max<long>(left, 0)));
        if (count > 0) return {};
        if (count < 0 && errno != EINTR)
            return fail(errno_error(errno, "cannot wait for pmos-try"));
        if (count == 0)
            return fail(Code::timed_out, "pmos-try does not answer",
                        "the mode was frozen meanwhile, or what is tried waits for something",
                        "see: pmosctl status");
    }
}

}  // namespace

Result<std::string> numbered_attempt(const std::string& line) {
    if (line.find_first_of("\n\r") != line.npos || line.contains('\0'))
        return fail(Code::usage, fmt::format("'{}' is more than one line", policy::shown(line)));
    const auto verb_end = line.find(' ');
    const auto verb = line.substr(0, verb_end);
    if ((verb != "judge" && verb != "call") || verb_end == line.npos) return line;
    const auto name_end = std::min(line.find(' ', verb_end + 1), line.size());
    const auto name = line.substr(verb_end + 1, name_end - verb_end - 1);
    if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return line;
    PMOS_ASSIGN(const policy::Arch* arch, this_arch());
    const auto number = policy::syscall_number(*arch, name);
    if (!number) {
        const auto near = policy::nearest_syscall(name);
        return fail(Code::usage,
                    fmt::format("no system call '{}' on {}", policy::shown(name), arch->name), "",
                    near.empty() ? "" : fmt::format("did you mean '{}'?", near));
    }
    return fmt::format("{} {}{}", verb, *number, line.substr(name_end));
}

Result<Trial> Trial::start(BusClient& bus, const std::string& mode) {
    int in[2], out[2];
    if (::pipe2(in, O_CLOEXEC) != 0) return fail(errno_error(errno, "cannot make a pipe"));
    const UniqueFd theirs_in(in[0]);
    UniqueFd to(in[1]);
    if (::fcntl(to.get(), F_SETFL, O_NONBLOCK) != 0)
        return fail(errno_error(errno, "cannot make a pipe that does not wait"));
    if (::pipe2(out, O_CLOEXEC) != 0) return fail(errno_error(errno, "cannot make a pipe"));
    const UniqueFd theirs_out(out[1]);
    UniqueFd from(out[0]);
    // Who ends before it has read is told of by the answer that does not come.
    std::signal(SIGPIPE, SIG_IGN);
    PMOS_ASSIGN(const auto answer,
                bus.call(mode_address(mode), "Exec", "asa{sv}", 1, "pmos-try", 2, "try", "b", 1,
                         "stdio", "ah", 3, theirs_in.get(), theirs_out.get(), theirs_out.get()));
    static_cast<void>(answer);
    return Trial(std::move(to), std::move(from));
}

Result<> Trial::say(std::string_view text, Deadline until) const {
    while (!text.empty()) {
        PMOS_TRY(await(to_.borrow(), POLLOUT, until));
        const ssize_t size = ::write(to_.get(), text.data(), text.size());
        if (size < 0 && errno != EINTR && errno != EAGAIN)
            return fail(errno_error(errno, "cannot ask pmos-try"));
        if (size > 0) text.remove_prefix(static_cast<std::size_t>(size));
    }
    return {};
}

Result<> Trial::hear(Deadline until) {
    PMOS_TRY(await(from_.borrow(), POLLIN, until));
    char data[512];
    const ssize_t size = ::read(from_.get(), data, sizeof data);
    if (size < 0 && errno != EINTR) return fail(errno_error(errno, "cannot hear pmos-try"));
    if (size == 0)
        return fail(Code::failed, "pmos-try has ended", "",
                    "the mode was stopped, or what was tried has killed it");
    if (size > 0) unread_.append(data, static_cast<std::size_t>(size));
    return {};
}

Result<std::string> Trial::ask(const std::string& line, std::chrono::milliseconds within) {
    PMOS_ASSIGN(const std::string text, numbered_attempt(line));
    const auto until = std::chrono::steady_clock::now() + within;
    auto done = say(text + '\n', until);
    std::size_t end = 0;
    while (done && (end = unread_.find('\n')) == unread_.npos) done = hear(until);
    if (!done) {
        done.error().what += fmt::format(" (at '{}')", policy::shown(line));
        return fail(std::move(done.error()));
    }
    std::string answer = unread_.substr(0, end);
    unread_.erase(0, end + 1);
    return answer;
}

}  // namespace pmos::cli
