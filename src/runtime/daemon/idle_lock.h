// daemon: keeps the phone's screen on by a lock of systemd-logind's, for one mode at a time.
// Decides nothing.
#pragma once

#include <systemd/sd-bus.h>

#include <memory>
#include <string>

#include "base/fd.h"
#include "runtime/daemon/idle_keeper.h"

namespace pmos::daemon {

class IdleLock : public IdleKeeper {
  public:
    // bus: the system bus, which must outlive this.
    explicit IdleLock(sd_bus* bus);
    IdleLock(const IdleLock&) = delete;
    IdleLock& operator=(const IdleLock&) = delete;

    void keep_awake(const std::string& mode) override;
    std::string why_not() const override;

  private:
    struct Unref {
        void operator()(sd_bus_slot* slot) const noexcept { sd_bus_slot_unref(slot); }
    };
    using Slot = std::unique_ptr<sd_bus_slot, Unref>;

    void ask();
    void look_for_logind();
    static int on_lock(sd_bus_message* message, void* userdata, sd_bus_error* error);
    static int on_owner(sd_bus_message* message, void* userdata, sd_bus_error* error);
    static int on_found(sd_bus_message* message, void* userdata, sd_bus_error* error);

    sd_bus* bus_;
    std::string mode_;  // "": nobody keeps the screen on
    UniqueFd lock_;
    std::string refused_;  // why the last one was not given
    bool there_ = false;   // logind is
    Slot asked_, owner_, found_;
};

}  // namespace pmos::daemon
