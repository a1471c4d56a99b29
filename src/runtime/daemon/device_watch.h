// daemon: hears of devices that come and go. Opens none and judges none.
#pragma once

#include <systemd/sd-device.h>

#include <functional>
#include <memory>

#include "runtime/daemon/loop.h"

namespace pmos::daemon {

class DeviceWatch {
  public:
    // Calls changed once for a burst of events about the classes that pmos knows. What udev tells
    // is heard (sd-device(3)); where no udev runs there is nothing to hear, and a reload looks.
    static Result<std::unique_ptr<DeviceWatch>> make(EventLoop& loop,
                                                     std::function<void()> changed);
    DeviceWatch(const DeviceWatch&) = delete;
    DeviceWatch& operator=(const DeviceWatch&) = delete;

  private:
    DeviceWatch(EventLoop& loop, std::function<void()> changed)
        : loop_(loop), changed_(std::move(changed)) {}
    static int on_event(sd_device_monitor* monitor, sd_device* device, void* self);

    struct Unref {
        void operator()(sd_device_monitor* m) const noexcept { sd_device_monitor_unref(m); }
    };
    EventLoop& loop_;
    std::function<void()> changed_;
    std::unique_ptr<sd_device_monitor, Unref> monitor_;
    EventSource settled_;
};

}  // namespace pmos::daemon
