// daemon: a share of pmosd's time for what could take all of it. Holds a clock's readings, no
// clock.
#pragma once

#include <chrono>

namespace pmos::daemon {

// An eighth, in windows so short that nobody who waits notices one. The loop takes about as much
// again to come to each turn: a quarter in all.
class TimeShare {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr Clock::duration kWindow = std::chrono::milliseconds(100);
    static constexpr Clock::duration kShare = kWindow / 8;

    // Until the next turn may begin; zero: now.
    Clock::duration wait(Clock::time_point now) {
        if (now >= since_ + kWindow) {
            since_ = now;
            used_ = {};
        }
        return used_ < kShare ? Clock::duration{} : since_ + kWindow - now;
    }
    void used(Clock::duration turn) { used_ += turn; }

  private:
    Clock::time_point since_;
    Clock::duration used_{};
};

}  // namespace pmos::daemon
