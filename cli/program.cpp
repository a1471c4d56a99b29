// cli: another program, run to its end, and what it said. Runs no shell, keeps no terminal busy.
#include "cli/program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

namespace pmos::cli {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (auto& text : texts) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

struct Child {
    pid_t pid = -1;
    UniqueFd out, err;
};

Result<Child> spawn(const Program& program, BorrowedFd input) {
    int out[2], err[2];
    if (::pipe2(out, O_CLOEXEC) != 0) return fail(errno_error(errno, "cannot make a pipe"));
    Child child{-1, UniqueFd(out[0]), {}};
    const UniqueFd out_end(out[1]);
    if (::pipe2(err, O_CLOEXEC) != 0) return fail(errno_error(errno, "cannot make a pipe"));
    child.err = UniqueFd(err[0]);
    const UniqueFd err_end(err[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input.get(), 0);
    posix_spawn_file_actions_adddup2(&actions, out_end.get(), 1);
    posix_spawn_file_actions_adddup2(&actions, err_end.get(), 2);
    // What this process blocks to hear of interruptions is not the program's affair.
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    ::sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    auto line = program.args;
    auto env = program.environment;
    const int r = ::posix_spawnp(&child.pid, line[0].c_str(), &actions, &attributes,
                                 pointers(line).data(), pointers(env).data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (r == ENOENT)
        return fail(Code::not_found, fmt::format("there is no program '{}'", program.args[0]));
    if (r != 0) return fail(errno_error(r, fmt::format("cannot run '{}'", program.args[0])));
    return child;
}

int ended(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int left_ms(const Program& program, Clock::time_point begun) {
    if (program.patience.count() == 0) return -1;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        begun + program.patience - Clock::now());
    return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

// Reads both ends until they are closed; an error: why it is given up.
Result<> gather(const Program& program, const Child& child, Finished& done) {
    const auto given_up = [&](Code code, const char* why) {
        return fail(code, fmt::format("'{}' is given up", program.args[0]), why);
    };
    const auto begun = Clock::now();
    std::array<pollfd, 3> ends{pollfd{child.out.get(), POLLIN, 0},
                               {child.err.get(), POLLIN, 0},
                               {program.interrupted.get(), POLLIN, 0}};
    std::string* texts[] = {&done.out, &done.err};
    while (ends[0].fd >= 0 || ends[1].fd >= 0) {
        const int left = left_ms(program, begun);
        if (left == 0) return given_up(Code::timed_out, "it takes too long");
        if (::poll(ends.data(), ends.size(), left) < 0 && errno != EINTR)
            return given_up(Code::failed, "cannot wait for it");
        if ((ends[2].revents & POLLIN) != 0) return given_up(Code::cancelled, "interrupted");
        for (std::size_t i = 0; i < 2; ++i) {
            if (ends[i].fd < 0 || ends[i].revents == 0) continue;
            char buffer[65536];
            const ssize_t n = ::read(ends[i].fd, buffer, sizeof buffer);
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) ends[i].fd = -1;
            if (n > 0) texts[i]->append(buffer, static_cast<std::size_t>(n));
            if (texts[i]->size() > program.limit) return given_up(Code::failed, "it says too much");
        }
    }
    return {};
}

}  // namespace

Result<Finished> run_program(const Program& program) {
    const UniqueFd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!nothing) return fail(errno_error(errno, "cannot open '/dev/null'"));
    PMOS_ASSIGN(const auto child, spawn(program, program.input ? program.input : nothing.borrow()));
    Finished done;
    const auto gathered = gather(program, child, done);
    if (!gathered) ::kill(child.pid, SIGKILL);
    done.status = ended(child.pid);
    if (!gathered) return fail(Error(gathered.error()));
    return done;
}

std::vector<std::string> environment_with(std::vector<std::string> settings,
                                          const std::vector<std::string_view>& without) {
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        if (std::ranges::count(without, text.substr(0, text.find('='))) == 0)
            settings.emplace_back(text);
    }
    return settings;
}

}  // namespace pmos::cli
