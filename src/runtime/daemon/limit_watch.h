// daemon: the limits of a mode's cgroup that it meets, as the kernel counts them. Sets no limit.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "policy/explain.h"
#include "policy/launch_plan.h"
#include "runtime/daemon/loop.h"
#include "runtime/host/cgroup.h"

namespace pmos::daemon {

struct LimitMet {
    policy::LimitEvent event{};
    std::uint64_t times = 0;
};

// What the files of a cgroup counted when they were read last. Pure.
class LimitCounters {
  public:
    // What has grown, by the text of "memory.events.local", "memory.swap.events" or "pids.events".
    // `below`: with the first, that of "memory.events", read after it.
    std::vector<LimitMet> take(std::string_view file, std::string_view text,
                               std::string_view below = "");

  private:
    std::uint64_t grown(std::string_view file, std::string_view text, std::string_view key);

    std::map<std::string, std::uint64_t> seen_;
    // That no kill has followed yet: of the mode's own limit, and of those it has set itself.
    std::uint64_t out_of_memory_ = 0, out_below_ = 0;
};

// Tells until it is destroyed. Watches only what the plan limits and this kernel counts. The
// counters of an adopted mode go on from where they stand: what came while nobody listened may
// have been told before.
class LimitWatch {
  public:
    using Met = std::function<void(const LimitMet&)>;
    LimitWatch() = default;
    LimitWatch(EventLoop& loop, const host::Cgroup& cgroup, const policy::LaunchPlan& plan,
               Met met);

  private:
    struct Watch;
    std::vector<std::shared_ptr<Watch>> watches_;
};

}  // namespace pmos::daemon
