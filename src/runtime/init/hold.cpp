// init: pmos-hold keeps pmos-modes.service, and with it the modes' cgroups, alive without pmosd.
// It makes room by moving into a cgroup of its own; after that it never wakes.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace {

constexpr const char* kMount = "/sys/fs/cgroup";
constexpr std::size_t kMaxPath = 1024;

[[noreturn]] void die(const char* what) {
    const int err = errno;
    const auto say = [](const char* text) {
        static_cast<void>(!::write(STDERR_FILENO, text, std::strlen(text)));
    };
    say("pmos-hold: ");
    say(what);
    say(": ");
    say(std::strerror(err));
    say("\n");
    ::_exit(1);
}

// "0::/system.slice/pmos-modes.service\n": the line of the v2 hierarchy, also on a mixed host.
void find_own_cgroup(char (&path)[kMaxPath]) {
    char text[4096]{};
    const int fd = ::open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || ::read(fd, text, sizeof text - 1) <= 0) die("cannot find its cgroup");
    ::close(fd);
    char* line = std::strncmp(text, "0::", 3) == 0 ? text : std::strstr(text, "\n0::");
    if (line == nullptr) die("no cgroup v2");
    char* own = std::strstr(line, "0::") + 3;
    own[std::strcspn(own, "\n")] = '\0';
    constexpr const char* kHolder = "/holder";
    if (std::strlen(kMount) + std::strlen(own) + std::strlen(kHolder) >= kMaxPath) {
        errno = ENAMETOOLONG;
        die("its cgroup");
    }
    std::strcpy(path, kMount);
    if (std::strcmp(own, "/") != 0) std::strcat(path, own);
    std::strcat(path, kHolder);
}

void move_into(const char* cgroup) {
    if (::mkdir(cgroup, 0755) != 0 && errno != EEXIST) die("cannot make a cgroup");
    const int directory = ::open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int procs = ::openat(directory, "cgroup.procs", O_WRONLY | O_CLOEXEC);
    if (procs < 0 || ::write(procs, "0", 1) != 1) die("cannot move into its cgroup");
    ::close(procs);
    ::close(directory);
}

// sd_notify(3) without libsystemd: pmosd is started when the service's own cgroup is empty.
void say_ready() {
    const char* name = std::getenv("NOTIFY_SOCKET");
    if (name == nullptr) return;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::size_t length = std::strlen(name);
    if (length == 0 || length >= sizeof address.sun_path) return;
    std::memcpy(address.sun_path, name, length);
    if (name[0] == '@') address.sun_path[0] = '\0';
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    constexpr char kReady[] = "READY=1";
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
    if (fd < 0 || ::sendto(fd, kReady, sizeof kReady - 1, MSG_NOSIGNAL,
                           reinterpret_cast<const sockaddr*>(&address), size) < 0)
        die("cannot say that it is ready");
    ::close(fd);
}

}  // namespace

int main() {
    char cgroup[kMaxPath]{};
    find_own_cgroup(cgroup);
    move_into(cgroup);
    ::prctl(PR_SET_DUMPABLE, 0);
    say_ready();
    for (;;) ::pause();
}
