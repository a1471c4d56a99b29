// daemon: hears of devices that come and go. Opens none and judges none.
#include "runtime/daemon/device_watch.h"

#include <cerrno>

namespace pmos::daemon {

using namespace std::chrono_literals;

namespace {

constexpr auto kBurst = 100ms;  // a USB modem alone brings half a dozen ports

Result<> check(int r, const char* what) {
    if (r < 0) return fail(errno_error(-r, what));
    return {};
}

}  // namespace

Result<std::unique_ptr<DeviceWatch>> DeviceWatch::make(EventLoop& loop,
                                                       std::set<std::string> subsystems,
                                                       std::function<void()> changed) {
    std::unique_ptr<DeviceWatch> watch(
        new DeviceWatch(loop, std::move(subsystems), std::move(changed)));
    sd_device_monitor* monitor = nullptr;
    PMOS_TRY(check(sd_device_monitor_new(&monitor), "cannot listen for devices"));
    watch->monitor_.reset(monitor);
    for (const auto& subsystem : watch->subsystems_)
        PMOS_TRY(check(sd_device_monitor_filter_add_match_subsystem_devtype(
                           monitor, subsystem.c_str(), nullptr),
                       "cannot choose which devices to hear of"));
    PMOS_TRY(
        check(sd_device_monitor_attach_event(monitor, loop.get()), "cannot listen for devices"));
    PMOS_TRY(check(sd_device_monitor_start(monitor, &DeviceWatch::on_event, watch.get()),
                   "cannot listen for devices"));
    return watch;
}

int DeviceWatch::on_event(sd_device_monitor*, sd_device*, void* self) {
    auto& watch = *static_cast<DeviceWatch*>(self);
    if (!watch.settled_)
        watch.settled_ = watch.loop_.after(kBurst, [&watch] {
            watch.settled_.reset();
            watch.changed_();
        });
    return 0;
}

}  // namespace pmos::daemon
