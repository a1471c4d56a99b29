// volume: how long to wait for somebody else to let go of a device. Never waits for a time that an
// event can tell.
#include "runtime/volume/patience.h"

#include <unistd.h>

#include <thread>

namespace pmos::volume {

Patience::Patience(std::string udev_queue)
    : udev_queue_(std::move(udev_queue)), begin_(Clock::now()), calm_since_(begin_) {}

bool Patience::may_wait(Clock::time_point now, bool udev_at_work) {
    if (udev_at_work && now - begin_ < kUdevLimit) calm_since_ = now;
    return now - calm_since_ < kGrace;
}

bool Patience::more() {
    if (!may_wait(Clock::now(), ::access(udev_queue_.c_str(), F_OK) == 0)) return false;
    std::this_thread::sleep_for(kPause);
    return true;
}

}  // namespace pmos::volume
