// daemon: when a mode is locked without anybody asking for it. One clock per mode: what is done
// with another mode, or with the screen, never sets it back.
#include "runtime/daemon/lock_timers.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/daemon/run_file.h"

namespace pmos::daemon {
namespace {

using namespace std::chrono_literals;

// A mode that could not be locked is not tried all the time.
constexpr std::uint64_t kAgainAfter = 10'000'000;

std::string clock_file(const Paths& paths, const std::string& mode) {
    return paths.mode_dir(mode) + "/clock";
}
std::string screen_file(const Paths& paths) { return paths.run + "/screen"; }

// Something of it is in memory: processes, or the key of a volume.
bool is_there(const Mode& mode) { return mode.alive() || !mode.opened.empty(); }

}  // namespace

policy::Session session_of(const Mode& mode) {
    if (mode.running) return mode.running->session();
    return mode.plan ? mode.plan->session : policy::Session{};
}

LockTimers::LockTimers(const Context& ctx, Lock lock)
    : ctx_(ctx),
      lock_(std::move(lock)),
      screen_locked_(value_of(read_run_file(screen_file(ctx.paths)), "locked") == "1") {}

void LockTimers::adopt(Mode& mode) {
    const std::string text = read_run_file(clock_file(ctx_.paths, mode.name));
    Clock& clock = clocks_[mode.name];
    const auto now = boot_time_usec();
    for (const auto& [key, value] :
         {std::pair{"idle", &clock.idle_since}, std::pair{"shut", &clock.shut_since}})
        if (!parse_number(value_of(text, key), *value) || *value > now) *value = 0;
    clock.kept = !text.empty();
}

void LockTimers::look(Mode& mode) {
    Clock& clock = clocks_[mode.name];
    const Clock before{clock.idle_since, clock.shut_since, 0, clock.was_front, clock.kept, {}, {}};
    const auto now = boot_time_usec();
    if (!is_there(mode) || (mode.foreground && !screen_locked_ && !mode.shut())) {
        clock.idle_since = clock.shut_since = 0;
    } else {
        if (clock.idle_since == 0) clock.idle_since = now;
        if (clock.shut_since == 0 && (screen_locked_ || mode.shut())) clock.shut_since = now;
    }
    clock.was_front = mode.foreground;
    const bool changed =
        clock.idle_since != before.idle_since || clock.shut_since != before.shut_since;
    const auto session = session_of(mode);
    const bool counts =
        session.lock_after_ms != 0 || session.evict_after_ms != 0 || !mode.opened.empty();
    if (counts ? changed || !clock.kept : clock.kept) keep(mode, clock, counts);
    arm(mode, clock);
    if (before.was_front && !mode.foreground) left_front(mode);
}

void LockTimers::used(Mode& mode) {
    Clock& clock = clocks_[mode.name];
    clock.idle_since = clock.shut_since = 0;
    look(mode);
}

void LockTimers::came_back(Mode& mode) {
    clocks_[mode.name].idle_since = 0;
    look(mode);
}

void LockTimers::left_front(Mode& mode) {
    if (is_there(mode) && !mode.shut() && session_of(mode).locks_at(policy::LockAt::background))
        lock_(mode, false, "background");
}

Result<> LockTimers::set_screen(bool locked) {
    screen_locked_ = locked;
    return replace_file(screen_file(ctx_.paths), locked ? "locked=1\n" : "locked=0\n");
}

// Only a restarted pmosd reads it, for what the policy counts, or a later one may.
void LockTimers::keep(const Mode& mode, Clock& clock, bool counts) {
    const std::string path = clock_file(ctx_.paths, mode.name);
    const auto kept = !counts || (clock.idle_since == 0 && clock.shut_since == 0)
                          ? remove_file(path)
                          : replace_file(path, fmt::format("idle={}\nshut={}\n", clock.idle_since,
                                                           clock.shut_since));
    clock.kept = kept && counts;
    if (!kept)
        ctx_.observer.event("state-not-kept", mode.name, {{"error", kept.error().message()}});
}

void LockTimers::arm(Mode& mode, Clock& clock) {
    const auto session = session_of(mode);
    clock.lock = alarm(mode, mode.shut() ? 0 : clock.idle_since, session.lock_after_ms, false);
    clock.evict = alarm(mode, clock.shut_since, session.evict_after_ms, true);
}

EventSource LockTimers::alarm(Mode& mode, std::uint64_t since, std::uint64_t after_ms, bool evict) {
    if (since == 0 || after_ms == 0) return {};
    const Clock& clock = clocks_[mode.name];
    const auto now = boot_time_usec();
    std::uint64_t due = since + after_ms * 1000;
    if (clock.tried_at != 0) due = std::max(due, clock.tried_at + kAgainAfter);
    const auto left = std::chrono::milliseconds(due > now ? (due - now) / 1000 + 1 : 0);
    return ctx_.loop.after(left, [this, &mode, evict] {
        clocks_[mode.name].tried_at = boot_time_usec();
        lock_(mode, evict, evict ? "evict-after" : "unused");
    });
}

}  // namespace pmos::daemon
