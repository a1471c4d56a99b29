// oci: hooks that run outside the container. See hooks.h.
#include "runtime/oci/hooks.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <string>

#include "base/fd.h"
#include "policy/names.h"

namespace pmos::oci {
namespace {

using policy::oci::Hook;

// A file, so that a hook that does not read holds nobody up.
Result<UniqueFd> input_of(std::string_view state) {
    UniqueFd fd(::memfd_create("state", MFD_CLOEXEC));
    if (!fd ||
        ::write(fd.get(), state.data(), state.size()) != static_cast<ssize_t>(state.size()) ||
        ::lseek(fd.get(), 0, SEEK_SET) != 0)
        return fail(errno_error(errno, "cannot hand a hook the state"));
    return fd;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (const auto& text : texts) out.push_back(const_cast<char*>(text.c_str()));
    out.push_back(nullptr);
    return out;
}

Result<int> await_end(int pid, std::uint32_t timeout_s) {
    const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    pollfd end{pidfd.get(), POLLIN, 0};
    const int limit = timeout_s == 0 ? -1 : static_cast<int>(std::min(timeout_s, 2000000U)) * 1000;
    int ready = 0;
    do ready = ::poll(&end, 1, limit);
    while (ready < 0 && errno == EINTR);
    if (ready == 0) ::kill(pid, SIGKILL);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (ready == 0) return fail(Code::timed_out, fmt::format("it took more than {} s", timeout_s));
    return status;
}

Result<> run_hook(const Hook& hook, std::string_view state) {
    PMOS_ASSIGN(const auto input, input_of(state));
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, input.get(), 0);
    const auto args = hook.args.empty() ? std::vector<std::string>{hook.path} : hook.args;
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    pid_t pid = 0;
    const int error = ::posix_spawn(&pid, hook.path.c_str(), &actions, &attributes,
                                    pointers(args).data(), pointers(hook.env).data());
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    if (error != 0) return fail(errno_error(error, "cannot run it"));
    PMOS_ASSIGN(const int status, await_end(pid, hook.timeout_s));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
    return fail(Code::failed, WIFEXITED(status)
                                  ? fmt::format("it ended with status {}", WEXITSTATUS(status))
                                  : fmt::format("signal {} ended it", WTERMSIG(status)));
}

Error in_words(const Hook& hook, const Error& error) {
    Error made;
    made.what = fmt::format("the {} hook '{}' failed",
                            policy::word_at(policy::oci::kHookPointNames, hook.point), hook.path);
    made.why = error.message();
    return made;
}

}  // namespace

Result<> run_hooks(const std::vector<Hook>& hooks, policy::oci::HookPoint point,
                   std::string_view state) {
    for (const auto& hook : hooks) {
        if (hook.point != point) continue;
        if (auto done = run_hook(hook, state); !done) return fail(in_words(hook, done.error()));
    }
    return {};
}

std::vector<Error> run_all_hooks(const std::vector<Hook>& hooks, policy::oci::HookPoint point,
                                 std::string_view state) {
    std::vector<Error> faults;
    for (const auto& hook : hooks) {
        if (hook.point != point) continue;
        if (auto done = run_hook(hook, state); !done)
            faults.push_back(in_words(hook, done.error()));
    }
    return faults;
}

}  // namespace pmos::oci
