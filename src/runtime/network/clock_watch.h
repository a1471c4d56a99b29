// network: when the clock was set, or the phone has slept: what counts down in the kernel did not
// go on meanwhile (jiffies), and what was reckoned by the clock is another.
#pragma once

#include <functional>
#include <memory>

#include "base/fd.h"
#include "runtime/event/loop.h"

namespace pmos::network {

class ClockWatch {
  public:
    static Result<std::unique_ptr<ClockWatch>> make(event::EventLoop& loop,
                                                    std::function<void()> told);

  private:
    ClockWatch(UniqueFd timer, std::function<void()> told)
        : timer_(std::move(timer)), told_(std::move(told)) {}
    Result<> arm() const;
    UniqueFd timer_;
    std::function<void()> told_;
    event::EventSource on_timer_;
};

}  // namespace pmos::network
