// daemon: children that pmos-launch cloned for us and died before it told of them. Never touches
// a process that somebody knows.
#include "runtime/daemon/strays.h"

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "runtime/daemon/process.h"
#include "runtime/daemon/process_stat.h"

namespace pmos::daemon {
namespace {

namespace fs = std::filesystem;

int number(std::string_view text) {
    int value = -1;
    const auto at = text.find_first_not_of(" \t");
    if (at != std::string_view::npos)
        std::from_chars(text.data() + at, text.data() + text.size(), value);
    return value;
}

// The processes of our pidfds (proc_pid_fdinfo(5)). waitid(P_ALL) would not do: it takes the
// status of children that others here wait for.
std::vector<int> known_processes() {
    constexpr std::string_view kPid = "Pid:";
    std::vector<int> pids;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator("/proc/self/fdinfo", ignored)) {
        std::ifstream stream(entry.path());
        for (std::string line; std::getline(stream, line);)
            if (line.starts_with(kPid))
                pids.push_back(number(std::string_view(line).substr(kPid.size())));
    }
    return pids;
}

// Lives in its own callback until the process has ended.
struct Stray {
    UniqueFd pidfd;
    EventSource ended;
};

}  // namespace

// /proc lists zombies as well, a cgroup does not: a child may have died of its launcher's death.
std::vector<Child> children() {
    std::vector<Child> found;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
        const int pid = number(entry.path().filename().string());
        if (pid <= 0) continue;
        const auto stat = process_stat(pid);
        if (stat && stat->parent == ::getpid()) found.push_back({pid, stat->start_time});
    }
    return found;
}

void end_strays(EventLoop& loop, const std::vector<Child>& inherited) {
    const auto known = known_processes();
    for (const auto& child : children()) {
        const int pid = child.pid;
        if (std::ranges::count(known, pid) != 0 || std::ranges::count(inherited, child) != 0)
            continue;
        // Nobody else reaps it, so the number is its own until we do.
        const auto stray = std::make_shared<Stray>();
        stray->pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
        if (!stray->pidfd) continue;
        static_cast<void>(send_signal(stray->pidfd.borrow(), SIGKILL));
        stray->ended = loop.on_io(stray->pidfd.borrow(), EPOLLIN, [stray](std::uint32_t) {
            const auto keep = stray;
            static_cast<void>(reap(keep->pidfd.borrow()));
            keep->ended.reset();
        });
    }
}

}  // namespace pmos::daemon
