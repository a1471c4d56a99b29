// daemon: hears of devices that come and go. Opens none and judges none.
#pragma once

#include <systemd/sd-device.h>

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "runtime/daemon/loop.h"

namespace pmos::daemon {

class DeviceWatch {
  public:
    // Calls changed once for a burst of events of these subsystems, of which there is one at least.
    // What udev tells is heard (sd-device(3)); where no udev runs there is nothing to hear, and a
    // reload looks.
    static Result<std::unique_ptr<DeviceWatch>> make(EventLoop& loop,
                                                     std::set<std::string> subsystems,
                                                     std::function<void()> changed);
    const std::set<std::string>& subsystems() const { return subsystems_; }
    DeviceWatch(const DeviceWatch&) = delete;
    DeviceWatch& operator=(const DeviceWatch&) = delete;

  private:
    DeviceWatch(EventLoop& loop, std::set<std::string> subsystems, std::function<void()> changed)
        : loop_(loop), subsystems_(std::move(subsystems)), changed_(std::move(changed)) {}
    static int on_event(sd_device_monitor* monitor, sd_device* device, void* self);

    struct Unref {
        void operator()(sd_device_monitor* m) const noexcept { sd_device_monitor_unref(m); }
    };
    EventLoop& loop_;
    std::set<std::string> subsystems_;
    std::function<void()> changed_;
    std::unique_ptr<sd_device_monitor, Unref> monitor_;
    EventSource settled_;
};

}  // namespace pmos::daemon
