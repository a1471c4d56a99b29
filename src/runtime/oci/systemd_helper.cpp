// oci: runs pmos-oci-systemd, which speaks to systemd for a program that links no libsystemd.
#include "runtime/oci/systemd_helper.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "base/fd.h"
#include "base/text.h"
#include "runtime/sys/process.h"

namespace pmos::oci {
namespace {

// Longer than the helper itself waits for systemd.
constexpr int kLimitMs = 60000;
constexpr std::size_t kMaxOutput = 8192;

struct Ended {
    int status = 0;  // as waitpid(2) has it
    std::string output, errors;
};

Result<UniqueFd> memory_file() {
    UniqueFd fd(::memfd_create("pmos-oci-systemd", MFD_CLOEXEC));
    if (!fd) return fail(errno_error(errno, "cannot make a memory file"));
    return fd;
}

std::string text_of(const UniqueFd& file) {
    std::string text(kMaxOutput, '\0');
    const ssize_t size = ::pread(file.get(), text.data(), text.size(), 0);
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    while (text.ends_with('\n')) text.pop_back();
    return text;
}

// How the helper finds its bus, and nothing else.
std::vector<std::string> environment() {
    std::vector<std::string> out;
    for (const char* name :
         {"DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS", "XDG_RUNTIME_DIR"})
        if (const char* value = std::getenv(name); value != nullptr)
            out.push_back(fmt::format("{}={}", name, value));
    return out;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (auto& text : texts) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

int spawn(std::vector<std::string> args, int output, int errors, pid_t& pid) {
    auto env = environment();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, 1);
    posix_spawn_file_actions_adddup2(&actions, errors, 2);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    const int err = ::posix_spawn(&pid, args.front().c_str(), &actions, &attributes,
                                  pointers(args).data(), pointers(env).data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return err;
}

Result<Ended> run(std::vector<std::string> args) {
    PMOS_ASSIGN(UniqueFd output, memory_file());
    PMOS_ASSIGN(UniqueFd errors, memory_file());
    // A descriptor that becomes 1 or 2 must not be in the way of the other.
    if (errors.get() < 3) errors.reset(::fcntl(errors.get(), F_DUPFD_CLOEXEC, 3));
    if (output.get() < 3) output.reset(::fcntl(output.get(), F_DUPFD_CLOEXEC, 3));
    const std::string path = args.front();
    pid_t pid = 0;
    if (const int err = spawn(std::move(args), output.get(), errors.get(), pid); err != 0)
        return fail(errno_error(err, fmt::format("cannot start '{}'", path),
                                "install pmos with it, or use the cgroupfs manager"));
    // It is our child and not reaped: the number is still its own.
    const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    pollfd end{pidfd.get(), POLLIN, 0};
    int ready = 0;
    if (pidfd) do
            ready = ::poll(&end, 1, kLimitMs);
        while (ready < 0 && errno == EINTR);
    const bool late = pidfd && ready == 0;
    if (late) ::kill(pid, SIGKILL);
    Ended ended;
    while (::waitpid(pid, &ended.status, 0) < 0 && errno == EINTR) continue;
    if (late) return fail(Code::timed_out, fmt::format("'{}' has not ended in time", path));
    ended.output = text_of(output);
    ended.errors = text_of(errors);
    return ended;
}

// Its first line says what and why, and one more what to do.
Error error_of(const Ended& ended, std::string what) {
    Error error;
    error.what = std::move(what);
    const auto line_end = std::min(ended.errors.find('\n'), ended.errors.size());
    error.why = printable(ended.errors.substr(0, line_end));
    constexpr std::string_view kHint = "\nhint: ";
    if (const auto hint = ended.errors.find(kHint); hint != ended.errors.npos)
        error.fix = printable(ended.errors.substr(hint + kHint.size()));
    if (error.why.empty() && WIFSIGNALED(ended.status))
        error.why = fmt::format("the helper was ended by signal {}", WTERMSIG(ended.status));
    return error;
}

Result<std::string> ask(const SystemdHelper& helper, std::vector<std::string> request,
                        const std::vector<std::string>& properties, std::string what) {
    std::vector<std::string> args{helper.path};
    if (helper.of_user) args.emplace_back("--user");
    std::ranges::move(request, std::back_inserter(args));
    std::ranges::copy(properties, std::back_inserter(args));
    PMOS_ASSIGN(const Ended ended, run(std::move(args)));
    if (ended.status != 0) return fail(error_of(ended, std::move(what)));
    return ended.output;
}

}  // namespace

Result<std::string> start_scope(const SystemdHelper& helper, const Scope& scope, int pid,
                                const std::string& description,
                                const std::vector<std::string>& properties) {
    PMOS_ASSIGN(auto path,
                ask(helper, {"start", scope.slice, scope.name, fmt::format("{}", pid), description},
                    properties, fmt::format("systemd made no '{}'", scope.name)));
    if (!path.starts_with('/') || path.find('\n') != path.npos ||
        (path + "/").find("/../") != path.npos)
        return fail(Code::failed, fmt::format("systemd made no '{}'", scope.name),
                    fmt::format("its cgroup is said to be '{}'", printable(path)));
    return path;
}

Result<void> set_scope(const SystemdHelper& helper, const std::string& scope,
                       const std::vector<std::string>& properties) {
    if (properties.empty()) return {};
    PMOS_TRY(ask(helper, {"set", scope}, properties, fmt::format("systemd kept '{}'", scope)));
    return {};
}

Result<void> stop_scope(const SystemdHelper& helper, const std::string& scope) {
    PMOS_TRY(ask(helper, {"stop", scope}, {}, fmt::format("systemd did not end '{}'", scope)));
    return {};
}

}  // namespace pmos::oci
