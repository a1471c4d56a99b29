// probe: reports as JSON what a process sees from inside a mode; tests assert on it. Judges
// nothing. "probe" reports; "probe exit N", "probe sleep", "probe spawn",
// "probe exhaust" behave.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

namespace {

using nlohmann::json;

std::string read_file(const char* path) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

std::string read_link(const std::string& path) {
    char target[4096];
    const ssize_t size = readlink(path.c_str(), target, sizeof target);
    return size < 0 ? "errno " + std::to_string(errno)
                    : std::string(target, static_cast<std::size_t>(size));
}

json lines(const char* path) {
    json list = json::array();
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) list.push_back(line);
    return list;
}

// "Name:\tvalue" lines of /proc/self/status.
json status() {
    json fields = json::object();
    std::ifstream in("/proc/self/status");
    for (std::string line; std::getline(in, line);) {
        const auto colon = line.find(':');
        const auto value = line.find_first_not_of(" \t", colon + 1);
        fields[line.substr(0, colon)] = value == std::string::npos ? "" : line.substr(value);
    }
    return fields;
}

json names_in(const std::string& path) {
    json names = json::array();
    DIR* dir = opendir(path.c_str());
    if (dir == nullptr) return "errno " + std::to_string(errno);
    while (const dirent* entry = readdir(dir)) {
        const std::string name = entry->d_name;
        if (name != "." && name != "..") names.push_back(name);
    }
    closedir(dir);
    return names;
}

json descriptors() {
    json fds = json::object();
    for (int fd = 0; fd < 1024; ++fd) {
        if (fcntl(fd, F_GETFD) < 0) continue;
        fds[std::to_string(fd)] = read_link("/proc/self/fd/" + std::to_string(fd));
    }
    return fds;
}

void add_nodes(const std::string& dir, json& nodes) {
    const json names = names_in(dir);
    if (!names.is_array()) return;
    for (const std::string name : names) {
        const std::string path = dir + "/" + name;
        struct stat st {};
        if (lstat(path.c_str(), &st) < 0) continue;
        json& node = nodes[path];
        node["mode"] = st.st_mode;
        node["uid"] = st.st_uid;
        node["gid"] = st.st_gid;
        if (S_ISLNK(st.st_mode)) node["link"] = read_link(path);
        if (S_ISDIR(st.st_mode)) add_nodes(path, nodes);
        if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)) continue;
        node["rdev"] = {major(st.st_rdev), minor(st.st_rdev)};
        const int fd = open(path.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        node["open"] = fd < 0 ? errno : 0;
        if (fd >= 0) close(fd);
    }
}

json namespaces() {
    json ns = json::object();
    for (const char* name : {"user", "mnt", "pid", "ipc", "uts", "cgroup", "net", "time"})
        ns[name] = read_link(std::string("/proc/self/ns/") + name);
    return ns;
}

json limits() {
    json list = json::array();
    for (int resource = 0; resource < RLIM_NLIMITS; ++resource) {
        rlimit limit{};
        getrlimit(static_cast<__rlimit_resource>(resource), &limit);
        list.push_back({limit.rlim_cur, limit.rlim_max});
    }
    return list;
}

long seconds(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return now.tv_sec;
}

json terminal() {
    json tty = json::object();
    tty["isatty"] = isatty(0) == 1 && isatty(1) == 1 && isatty(2) == 1;
    winsize size{};
    if (ioctl(0, TIOCGWINSZ, &size) == 0) tty["size"] = {size.ws_row, size.ws_col};
    const int controlling = open("/dev/tty", O_RDWR | O_CLOEXEC);
    tty["controlling"] = controlling >= 0;
    tty["name"] = read_link("/proc/self/fd/0");
    if (controlling >= 0) close(controlling);
    return tty;
}

// What escapes have been made of: each is an errno, or 0 where it was possible.
json attempts() {
    json tried = json::object();
    const auto try_open = [](const char* path, int flags) {
        const int fd = open(path, flags | O_CLOEXEC);
        const int err = fd < 0 ? errno : 0;
        if (fd >= 0) close(fd);
        return err;
    };
    tried["read /proc/1/exe"] = try_open("/proc/1/exe", O_RDONLY);
    tried["write /proc/1/exe"] = try_open("/proc/1/exe", O_WRONLY);
    tried["read /proc/1/environ"] = try_open("/proc/1/environ", O_RDONLY);
    tried["write /proc/sys/kernel/core_pattern"] =
        try_open("/proc/sys/kernel/core_pattern", O_WRONLY);
    tried["write /proc/sysrq-trigger"] = try_open("/proc/sysrq-trigger", O_WRONLY);
    tried["create in /"] = try_open("/made-by-probe", O_CREAT | O_WRONLY);
    tried["sethostname"] = sethostname("probe", 5) < 0 ? errno : 0;
    tried["unshare user"] = unshare(CLONE_NEWUSER) < 0 ? errno : 0;
    return tried;
}

json report(int argc, char** argv) {
    json r;
    r["args"] = std::vector<std::string>(argv, argv + argc);
    for (char** e = environ; *e != nullptr; ++e) r["env"].push_back(*e);
    r["fds"] = descriptors();
    r["pid"] = getpid();
    r["ppid"] = getppid();
    r["sid"] = getsid(0);
    r["uid"] = getuid();
    r["gid"] = getgid();
    gid_t groups[64];
    const int count = getgroups(64, groups);
    r["groups"] = std::vector<gid_t>(groups, groups + (count > 0 ? count : 0));
    r["uid_map"] = lines("/proc/self/uid_map");
    r["gid_map"] = lines("/proc/self/gid_map");
    r["status"] = status();
    r["securebits"] = prctl(PR_GET_SECUREBITS);
    const mode_t mask = umask(0);
    umask(mask);
    r["umask"] = mask;
    utsname uts{};
    uname(&uts);
    r["hostname"] = uts.nodename;
    r["domainname"] = uts.domainname;
    char cwd[4096];
    r["cwd"] = getcwd(cwd, sizeof cwd) == nullptr ? "" : cwd;
    r["root"] = names_in("/");
    r["mounts"] = lines("/proc/self/mountinfo");
    r["namespaces"] = namespaces();
    r["cgroup"] = lines("/proc/self/cgroup");
    r["oom_score_adj"] = atoi(read_file("/proc/self/oom_score_adj").c_str());
    r["label"] = read_file("/proc/self/attr/current");
    r["limits"] = limits();
    r["monotonic"] = seconds(CLOCK_MONOTONIC);
    r["boottime"] = seconds(CLOCK_BOOTTIME);
    r["keyring"] = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0, 0, 0);
    r["init"] = read_file("/proc/1/comm");
    r["tty"] = terminal();
    add_nodes("/dev", r["dev"]);
    r["attempts"] = attempts();
    return r;
}

int sleep_until_told() {
    // Any signal with its default action ends us.
    for (;;) pause();
}

// call NUMBER...: one byte each, 0 or the errno of that system call with the arguments 0. Writes
// with write(2) and exits at once: nothing but the calls meets the filter.
int try_call(int argc, char** argv) {
    for (int i = 2; i < argc; ++i) {
        const long result = syscall(atol(argv[i]), 0, 0, 0, 0, 0, 0);
        const char byte = static_cast<char>(result < 0 ? errno : 0);
        if (write(1, &byte, 1) != 1) return 1;
    }
    return 0;
}

// Takes what the kernel counts per user until there is no more, says how much it was, keeps it.
int exhaust() {
    json taken;
    int instances = 0, queues = 0;
    while (inotify_init1(IN_CLOEXEC) >= 0) ++instances;
    taken["inotify"] = {instances, errno};
    mq_attr attributes{};
    attributes.mq_maxmsg = 10;
    attributes.mq_msgsize = 8192;
    while (mq_open(("/probe" + std::to_string(queues)).c_str(), O_CREAT | O_RDWR, 0600,
                   &attributes) != -1)
        ++queues;
    taken["queues"] = {queues, errno};
    const std::string text = taken.dump() + "\n";
    if (write(1, text.data(), text.size()) < 0) return 1;
    return sleep_until_told();
}

// Two orphans: PID 1 has to reap them, or they stay in its list for ever.
int spawn_orphans() {
    for (int i = 0; i < 2; ++i) {
        if (fork() == 0) {
            if (fork() == 0) _exit(0);
            _exit(0);
        }
        wait(nullptr);
    }
    for (int tries = 0; tries < 200; ++tries) {
        int others = 0;
        for (const std::string name : names_in("/proc"))
            others += atoi(name.c_str()) > 1 && atoi(name.c_str()) != getpid();
        if (others == 0) return 0;
        usleep(10000);
    }
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string what = argc > 1 ? argv[1] : "report";
    if (what == "exit") return argc > 2 ? atoi(argv[2]) : 0;
    if (what == "sleep") return sleep_until_told();
    if (what == "spawn") return spawn_orphans();
    if (what == "exhaust") return exhaust();
    if (what == "call") return try_call(argc, argv);
    const std::string text = report(argc, argv).dump(1) + "\n";
    return fwrite(text.data(), 1, text.size(), stdout) == text.size() ? 0 : 1;
}
