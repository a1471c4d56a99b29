// daemon: what systemd-logind says of the screen and of sleep, where there is one. Decides nothing;
// without logind it is as if nothing was ever said (see Manager.ScreenLocked and BeforeSleep).
#pragma once

#include <systemd/sd-bus.h>

#include <memory>

#include "base/fd.h"
#include "runtime/daemon/supervisor.h"

namespace pmos::daemon {

class Logind {
  public:
    // bus: the system bus, which must outlive this.
    Logind(sd_bus* bus, Supervisor& supervisor);
    Logind(const Logind&) = delete;
    Logind& operator=(const Logind&) = delete;

  private:
    struct Unref {
        void operator()(sd_bus_slot* slot) const noexcept { sd_bus_slot_unref(slot); }
    };
    using Slot = std::unique_ptr<sd_bus_slot, Unref>;

    void hear(Slot& slot, const char* path, const char* interface, const char* signal,
              sd_bus_message_handler_t handler);
    // Sleep waits for us as long as this is held.
    void delay_sleep();
    static int on_inhibited(sd_bus_message* message, void* userdata, sd_bus_error* error);
    static int on_sleep(sd_bus_message* message, void* userdata, sd_bus_error* error);
    static int on_lock(sd_bus_message* message, void* userdata, sd_bus_error* error);
    static int on_session(sd_bus_message* message, void* userdata, sd_bus_error* error);
    static int on_owner(sd_bus_message* message, void* userdata, sd_bus_error* error);

    sd_bus* bus_;
    Supervisor& supervisor_;
    std::shared_ptr<UniqueFd> delay_ = std::make_shared<UniqueFd>();
    Slot asked_, sleep_, lock_, session_, owner_;
};

}  // namespace pmos::daemon
