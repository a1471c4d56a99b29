// bench: a peer as its users run it: spawns a command and times the first byte of its payload and
// its exit. `command [--open FD=FILE] PROGRAM ARG...`: FILE is opened anew as FD for every turn.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "worker.h"

extern char** environ;

namespace {

using pmos::bench::now_ns;
using pmos::bench::Times;

Times fail_with(const char* what, int error) { return {what, error, 0, 0}; }

struct Input {
    int fd = -1;
    const char* file = nullptr;
};

Times run_once(char** argv, const Input& input) {
    int out[2];
    if (::pipe2(out, O_CLOEXEC) != 0) return fail_with("pipe2", errno);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    if (input.file != nullptr)
        ::posix_spawn_file_actions_addopen(&actions, input.fd, input.file, O_RDONLY, 0);
    Times times;
    const std::int64_t begin = now_ns();
    pid_t pid = -1;
    const int err = ::posix_spawnp(&pid, argv[0], &actions, nullptr, argv, environ);
    ::close(out[1]);
    ::posix_spawn_file_actions_destroy(&actions);
    if (err != 0) {
        ::close(out[0]);
        return fail_with("posix_spawn", err);
    }
    char byte = 0;
    const ssize_t size = ::read(out[0], &byte, 1);
    times.ready = now_ns() - begin;
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    times.end = now_ns() - begin;
    ::close(out[0]);
    if (size != 1) return fail_with("the payload said nothing", 0);
    if (status != 0) return fail_with("the command failed, wait status", status);
    return times;
}

}  // namespace

int main(int argc, char** argv) {
    Input input;
    int first = 1;
    if (argc > 3 && std::strcmp(argv[1], "--open") == 0) {
        char* end = nullptr;
        input.fd = static_cast<int>(std::strtol(argv[2], &end, 10));
        if (*end != '=') return 2;
        input.file = end + 1;
        first = 3;
    }
    if (first >= argc) return 2;
    return pmos::bench::serve_turns([&] { return run_once(argv + first, input); });
}
