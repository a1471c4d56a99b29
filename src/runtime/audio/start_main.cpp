// audio: pmos-audio-start's main: becomes an id with nothing of root's, and runs a program. What is
// to be done between fork and exec, in a process of its own: pmos-audio has threads.
#include <fmt/format.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>

namespace {

// A mode whose sound server is made to swell harms its own sound.
constexpr rlim_t kMostData = 128U << 20U, kMostFiles = 1024, kMostTasks = 64;

int complain(const char* what) {
    fmt::print(stderr, "pmos-audio-start: {}: {}\n", what, std::strerror(errno));
    return 1;
}

bool limit(int what, rlim_t most) {
    const rlimit value{.rlim_cur = most, .rlim_max = most};
    return ::setrlimit(static_cast<__rlimit_resource>(what), &value) == 0;
}

template <class Id>
bool read_id(const char* text, Id& id) {
    const char* const end = text + std::strlen(text);
    return std::from_chars(text, end, id).ptr == end && id > 0;
}

// Among all processes the first to go, and none to be waited for.
bool give_way() {
    std::ofstream("/proc/self/oom_score_adj") << "500";
    return ::setpriority(PRIO_PROCESS, 0, 0) == 0;
}

// It has threads and no children, which would outlive the mode; it cannot take back that it ends
// with pmos-audio; and no key of the host's is its.
bool confine() {
    const std::unique_ptr<void, void (*)(scmp_filter_ctx)> filter(::seccomp_init(SCMP_ACT_ALLOW),
                                                                  ::seccomp_release);
    if (!filter) return false;
    const auto deny = [&](int call, auto... when) {
        return ::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), call, sizeof...(when),
                                  when...) == 0;
    };
    const scmp_arg_cmp no_thread{
        .arg = 0, .op = SCMP_CMP_MASKED_EQ, .datum_a = CLONE_THREAD, .datum_b = 0};
    const scmp_arg_cmp outlive{
        .arg = 0, .op = SCMP_CMP_EQ, .datum_a = PR_SET_PDEATHSIG, .datum_b = 0};
    bool good = deny(SCMP_SYS(fork)) && deny(SCMP_SYS(vfork)) && deny(SCMP_SYS(clone), no_thread) &&
                deny(SCMP_SYS(prctl), outlive) && deny(SCMP_SYS(keyctl)) &&
                deny(SCMP_SYS(add_key)) && deny(SCMP_SYS(request_key));
    // Its flags are in memory; the C library then asks in the old way.
    good =
        good && ::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0;
    return good && ::seccomp_load(filter.get()) == 0;
}

}  // namespace

// pmos-audio-start PARENT ID DIR LISTENER|- PROGRAM [ARG...]
int main(int argc, char** argv) {
    if (argc < 6) return fmt::print(stderr, "pmos-audio-start is pmos-audio's to start\n"), 2;
    pid_t parent = 0;
    uid_t id = 0;
    if (!read_id(argv[1], parent) || !read_id(argv[2], id))
        return fmt::print(stderr, "pmos-audio-start: '{}' is no id to become\n", argv[2]), 2;
    // While it still may: what lies above is root's.
    if (::chdir(argv[3]) != 0) return complain(argv[3]);
    if (!give_way()) return complain("cannot become an ordinary process");
    if (::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr) < 0)
        return complain("cannot have a keyring of its own");
    if (::setgroups(0, nullptr) != 0 || ::setresgid(id, id, id) != 0 ||
        ::setresuid(id, id, id) != 0)
        return complain("cannot become the mode");
    // After it: a change of id takes this back.
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent)
        return complain("cannot end with pmos-audio");
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return complain("cannot give up privileges");
    if (!limit(RLIMIT_DATA, kMostData) || !limit(RLIMIT_NOFILE, kMostFiles) ||
        !limit(RLIMIT_NPROC, kMostTasks) || !limit(RLIMIT_CORE, 0))
        return complain("cannot set limits");
    if (!confine()) return complain("cannot confine itself");
    if (std::strcmp(argv[4], "-") != 0) {
        ::setenv("LISTEN_FDS", "1", 1);
        ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    }
    ::execv(argv[5], argv + 5);
    return complain(argv[5]);
}
