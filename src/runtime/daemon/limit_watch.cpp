// daemon: the limits of a mode's cgroup that it meets, as the kernel counts them. Sets no limit.
#include "runtime/daemon/limit_watch.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace pmos::daemon {
namespace {

using policy::LimitEvent;

// What is counted where it happened, and, below it, with all cgroups that the mode has made itself.
constexpr std::string_view kMemory = "memory.events.local", kMemoryBelow = "memory.events";

// Which file counts what comes of a limit. The kernel counts throttling by cpu.max too
// (cpu.stat), and wakes nobody for it.
struct Row {
    std::string_view limit, file;
};
constexpr std::array kRows{Row{"memory.high", kMemory}, Row{"memory.max", kMemory},
                           Row{"memory.swap.max", "memory.swap.events"},
                           Row{"pids.max", "pids.events"}};

// The number behind a word at the start of a line.
std::uint64_t counter(std::string_view text, std::string_view key) {
    while (!text.empty()) {
        const auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        if (line.size() <= key.size() || !line.starts_with(key) || line[key.size()] != ' ')
            continue;
        std::uint64_t value = 0;
        std::from_chars(line.data() + key.size() + 1, line.data() + line.size(), value);
        return value;
    }
    return 0;
}

}  // namespace

std::uint64_t LimitCounters::grown(std::string_view file, std::string_view text,
                                   std::string_view key) {
    const std::uint64_t now = counter(text, key);
    std::uint64_t& before = seen_[std::string(file) + " " + std::string(key)];
    const std::uint64_t more = now > before ? now - before : 0;
    before = now;
    return more;
}

std::vector<LimitMet> LimitCounters::take(std::string_view file, std::string_view text,
                                          std::string_view below) {
    std::vector<LimitMet> met;
    const auto add = [&](LimitEvent event, std::uint64_t times) {
        if (times != 0) met.push_back({event, times});
    };
    if (file != kMemory) {
        add(file == "pids.events" ? LimitEvent::pids_max : LimitEvent::swap_max,
            grown(file, text, "max"));
        return met;
    }
    add(LimitEvent::memory_high, grown(file, text, "high"));
    add(LimitEvent::memory_max, grown(file, text, "max"));
    const auto out = grown(file, text, "oom");
    add(LimitEvent::memory_out, out);
    out_of_memory_ += out;
    // A kill is counted where the process is, and what was used up where the limit is: the mode's,
    // one that it has set itself below, or none, for the phone's memory is counted nowhere.
    const auto all_out = grown(kMemoryBelow, below, "oom");
    out_below_ += all_out - std::min(all_out, out);
    const auto kills = grown(kMemoryBelow, below, "oom_kill");
    if (kills == 0) return met;
    const auto own = std::min(kills, std::exchange(out_of_memory_, 0));
    const auto of_its_own_making = std::min(kills - own, std::exchange(out_below_, 0));
    add(LimitEvent::memory_kill, own);
    add(LimitEvent::phone_memory_kill, kills - own - of_its_own_making);
    return met;
}

struct LimitWatch::Watch {
    std::string file;
    host::WatchedFile events, below;  // the latter of memory only
    LimitCounters counters;
    EventSource changed, changed_below;

    // What is counted here is counted below before, never after.
    std::vector<LimitMet> take() {
        const auto here = events.read();
        return counters.take(file, here, file == kMemory ? below.read() : "");
    }
};

LimitWatch::LimitWatch(EventLoop& loop, const host::Cgroup& cgroup, const policy::LaunchPlan& plan,
                       Met met) {
    for (const Row& row : kRows) {
        const bool set = std::ranges::any_of(
            plan.cgroup, [&](const auto& limit) { return limit.file == row.limit; });
        const bool watched = std::ranges::any_of(
            watches_, [&](const auto& watch) { return watch->file == row.file; });
        if (!set || watched) continue;
        auto events = cgroup.watch(std::string(row.file));
        if (!events) continue;  // left out with its controller, and said so at the start
        auto watch = std::make_shared<Watch>();
        watch->file = row.file;
        watch->events = std::move(*events);
        if (row.file == kMemory) {
            auto below = cgroup.watch(std::string(kMemoryBelow));
            if (!below) continue;
            watch->below = std::move(*below);
        }
        watch->take();
        const auto tell = [watch = watch.get(), met](std::uint32_t) {
            for (const auto& one : watch->take()) met(one);
        };
        watch->changed = loop.on_io(watch->events.fd(), EPOLLPRI, tell);
        if (row.file == kMemory)
            watch->changed_below = loop.on_io(watch->below.fd(), EPOLLPRI, tell);
        if (watch->changed && (row.file != kMemory || watch->changed_below))
            watches_.push_back(std::move(watch));
    }
}

}  // namespace pmos::daemon
