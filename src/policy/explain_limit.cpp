// policy: which line of a profile a mode met, when it met a limit of its cgroup. Asks no host.
#include <algorithm>
#include <array>

#include "policy/explain.h"

namespace pmos::policy {
namespace {

struct Row {
    LimitEvent event{};
    const char *rule, *file, *path, *verdict, *why;
};
constexpr std::array kRows{
    Row{LimitEvent::memory_high, "limit-memory-high", "memory.high", "resources/memory/high",
        "slowed", "the mode has more memory than this: its programs wait until some is reclaimed"},
    Row{LimitEvent::memory_max, "limit-memory-max", "memory.max", "resources/memory/max", "slowed",
        "the mode has all the memory it may have: a program waited until some was reclaimed"},
    Row{LimitEvent::memory_out, "limit-memory-max", "memory.max", "resources/memory/max", "refused",
        "the mode has all the memory it may have, and none could be reclaimed"},
    Row{LimitEvent::memory_kill, "limit-memory-max", "memory.max", "resources/memory/max", "killed",
        "the mode had all the memory it may have: the kernel ended one of its processes"},
    Row{LimitEvent::phone_memory_kill, "memory-elsewhere", "memory", "resources/memory", "killed",
        "not the mode's memory was used up, but the phone's: the kernel ended a process here"},
    Row{LimitEvent::swap_max, "limit-swap-max", "memory.swap.max", "resources/memory/swapMax",
        "refused", "no more of the mode's memory may be swapped out"},
    Row{LimitEvent::pids_max, "limit-pids-max", "pids.max", "resources/pids/max", "refused",
        "the mode has as many processes and threads as it may have: a new one gets EAGAIN"}};

const Row& row_of(LimitEvent event) { return *std::ranges::find(kRows, event, &Row::event); }

}  // namespace

Explanation explain_limit(const Profile& profile, LimitEvent event) {
    const Row& row = row_of(event);
    Explanation why{
        .rule = row.rule, .what = row.file, .why = row.why, .at = profile.where(row.path)};
    const auto limit =
        std::ranges::find(profile.limits, std::string_view(row.file), &LimitSpec::file);
    if (limit == profile.limits.end()) return why;
    why.what += " " + limit->value;
    why.fix = std::string("raise ") + row.path;
    return why;
}

const char* limit_verdict(LimitEvent event) { return row_of(event).verdict; }

}  // namespace pmos::policy
