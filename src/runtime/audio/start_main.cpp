// audio: pmos-audio-start's main: becomes an id with nothing of root's, and runs a program. What is
// to be done between fork and exec, in a process of its own: pmos-audio has threads.
#include <fmt/format.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>

namespace {

// A mode whose sound server is made to swell harms its own sound.
constexpr rlim_t kMostData = 128U << 20U, kMostFiles = 1024;

int complain(const char* what) {
    fmt::print(stderr, "pmos-audio-start: {}: {}\n", what, std::strerror(errno));
    return 1;
}

bool limit(int what, rlim_t most) {
    const rlimit value{.rlim_cur = most, .rlim_max = most};
    return ::setrlimit(static_cast<__rlimit_resource>(what), &value) == 0;
}

}  // namespace

// pmos-audio-start ID DIR LISTENER|- PROGRAM [ARG...]
int main(int argc, char** argv) {
    if (argc < 5) return fmt::print(stderr, "pmos-audio-start is pmos-audio's to start\n"), 2;
    uid_t id = 0;
    const char* const end = argv[1] + std::strlen(argv[1]);
    if (std::from_chars(argv[1], end, id).ptr != end || id == 0)
        return fmt::print(stderr, "pmos-audio-start: '{}' is no id to become\n", argv[1]), 2;
    const pid_t parent = ::getppid();
    // While it still may: what lies above is root's.
    if (::chdir(argv[2]) != 0) return complain(argv[2]);
    if (::setgroups(0, nullptr) != 0 || ::setresgid(id, id, id) != 0 ||
        ::setresuid(id, id, id) != 0)
        return complain("cannot become the mode");
    // After it: a change of id takes this back.
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent)
        return complain("cannot end with pmos-audio");
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return complain("cannot give up privileges");
    if (!limit(RLIMIT_DATA, kMostData) || !limit(RLIMIT_NOFILE, kMostFiles) ||
        !limit(RLIMIT_CORE, 0))
        return complain("cannot set limits");
    if (std::strcmp(argv[3], "-") != 0) {
        ::setenv("LISTEN_FDS", "1", 1);
        ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    }
    ::execv(argv[4], argv + 4);
    return complain(argv[4]);
}
