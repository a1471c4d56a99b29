// cli: pmos-try inside a mode, asked one line at a time.
#include "cli/trial.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "policy/diagnostic.h"
#include "policy/syscalls.h"

namespace pmos::cli {
namespace {

const policy::Arch& this_arch() {
    utsname name{};
    const policy::Arch* arch = ::uname(&name) == 0 ? policy::find_arch(name.machine) : nullptr;
    return arch != nullptr ? *arch : *policy::find_arch("x86_64");
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
    const auto number = policy::syscall_number(this_arch(), name);
    if (!number) {
        const auto near = policy::nearest_syscall(name);
        return fail(Code::usage,
                    fmt::format("no system call '{}' on {}", policy::shown(name), this_arch().name),
                    "", near.empty() ? "" : fmt::format("did you mean '{}'?", near));
    }
    return fmt::format("{} {}{}", verb, *number, line.substr(name_end));
}

Result<Trial> Trial::start(BusClient& bus, const std::string& mode) {
    int in[2], out[2];
    if (::pipe2(in, O_CLOEXEC) != 0) return fail(errno_error(errno, "cannot make a pipe"));
    const UniqueFd theirs_in(in[0]);
    UniqueFd to(in[1]);
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

Result<std::string> Trial::ask(const std::string& line) {
    PMOS_ASSIGN(std::string text, numbered_attempt(line));
    text += '\n';
    for (std::string_view rest = text; !rest.empty();) {
        const ssize_t size = ::write(to_.get(), rest.data(), rest.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return fail(errno_error(errno, "cannot ask pmos-try"));
        rest.remove_prefix(static_cast<std::size_t>(size));
    }
    for (;;) {
        if (const auto end = unread_.find('\n'); end != unread_.npos) {
            std::string answer = unread_.substr(0, end);
            unread_.erase(0, end + 1);
            return answer;
        }
        char data[512];
        const ssize_t size = ::read(from_.get(), data, sizeof data);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return fail(errno_error(errno, "cannot hear pmos-try"));
        if (size == 0)
            return fail(Code::failed, fmt::format("pmos-try has ended at '{}'", line), "",
                        "the mode was stopped, or what was tried has killed it");
        unread_.append(data, static_cast<std::size_t>(size));
    }
}

}  // namespace pmos::cli
