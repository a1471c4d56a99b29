// bench: what the kernel alone takes to change places between two trees of processes: freeze one,
// wait until it is, thaw the other. `freeze CGROUP CGROUP`; puts all back after each turn.
// Whichever of the two is frozen when a turn begins is the one that comes in.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "worker.h"

namespace {

using pmos::bench::now_ns;
using pmos::bench::Times;

struct Tree {
    int freeze = -1, events = -1;

    bool open(const std::string& dir) {
        freeze = ::open((dir + "/cgroup.freeze").c_str(), O_RDWR | O_CLOEXEC);
        events = ::open((dir + "/cgroup.events").c_str(), O_RDONLY | O_CLOEXEC);
        return freeze >= 0 && events >= 0;
    }
    bool is_frozen() const {
        char text[128];
        const ssize_t size = ::pread(events, text, sizeof text - 1, 0);
        text[size > 0 ? size : 0] = 0;
        return std::strstr(text, "frozen 1") != nullptr;
    }
    bool set(bool frozen) const {
        if (::pwrite(freeze, frozen ? "1" : "0", 1, 0) != 1) return false;
        const std::int64_t deadline = now_ns() + 5'000'000'000;
        while (is_frozen() != frozen) {
            if (now_ns() > deadline) return false;
            const timespec pause{0, 10'000};
            ::nanosleep(&pause, nullptr);
        }
        return true;
    }
};

Times take_turn(const Tree& a, const Tree& b) {
    const Tree& incoming = a.is_frozen() ? a : b;
    const Tree& outgoing = a.is_frozen() ? b : a;
    Times times;
    const std::int64_t begin = now_ns();
    if (!outgoing.set(true) || ::pwrite(incoming.freeze, "0", 1, 0) != 1) {
        times.error = "cgroup.freeze";
        times.sys_errno = errno;
    }
    times.ready = times.end = now_ns() - begin;
    if (!incoming.set(true) || !outgoing.set(false)) times.error = "cgroup.freeze (back)";
    return times;
}

}  // namespace

int main(int argc, char** argv) {
    Tree a, b;
    if (argc != 3 || !a.open(argv[1]) || !b.open(argv[2])) {
        std::fputs("usage: freeze CGROUP CGROUP\n", stderr);
        return 2;
    }
    return pmos::bench::serve_turns([&] { return take_turn(a, b); });
}
