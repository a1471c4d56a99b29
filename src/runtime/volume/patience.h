// volume: how long to wait for somebody else to let go of a device. Never waits for a time that an
// event can tell.
#pragma once

#include <chrono>
#include <string>

namespace pmos::volume {

// Who holds a loop device or a mapping that its last user has left is udev, which looks at all
// that has changed. It says that it is at work, so it is waited for, however slow the machine:
// until it is done, or has been for as long as it lets one event take before it kills the worker
// (event_timeout of udev.conf(5)). The grace behind it is for the kernel, which frees a loop
// device behind the last close and tells nobody.
class Patience {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::milliseconds kPause{10};
    static constexpr std::chrono::seconds kGrace{5};
    static constexpr std::chrono::seconds kUdevLimit{180};

    explicit Patience(std::string udev_queue = "/run/udev/queue");
    // Pauses. False: nothing that is known of explains it, stop waiting.
    bool more();

  private:
    friend struct PatienceTest;
    bool may_wait(Clock::time_point now, bool udev_at_work);

    std::string udev_queue_;
    Clock::time_point begin_, calm_since_;
};

}  // namespace pmos::volume
