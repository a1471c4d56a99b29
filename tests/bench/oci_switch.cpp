// bench: what a peer takes to change places between two containers of its own: `pause` for the one,
// then `resume` for the other. `oci-switch FIRST SECOND RUNTIME ARG...`: FIRST runs, SECOND is
// paused; every turn the other way round.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "worker.h"

extern char** environ;

namespace {

using pmos::bench::now_ns;
using pmos::bench::Times;

bool run(std::vector<char*> words, const char* verb, char* container) {
    words.push_back(const_cast<char*>(verb));
    words.push_back(container);
    words.push_back(nullptr);
    pid_t pid = -1;
    if (::posix_spawnp(&pid, words[0], nullptr, nullptr, words.data(), environ) != 0) return false;
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status == 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) return 2;
    char *out = argv[1], *in = argv[2];
    const std::vector<char*> runtime(argv + 3, argv + argc);
    return pmos::bench::serve_turns([&] {
        Times times;
        const std::int64_t begin = now_ns();
        if (!run(runtime, "pause", out)) times.error = "pause";
        if (!run(runtime, "resume", in)) times.error = "resume";
        times.ready = times.end = now_ns() - begin;
        std::swap(out, in);
        return times;
    });
}
