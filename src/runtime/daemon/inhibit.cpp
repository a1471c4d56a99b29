// daemon: how systemd-logind is asked to hold something off.
#include "runtime/daemon/inhibit.h"

namespace pmos::daemon {

int ask_to_inhibit(sd_bus* bus, const char* what, const char* who, const char* why, const char* how,
                   sd_bus_message_handler_t handler, void* userdata, sd_bus_slot** slot) {
    sd_bus_message* call = nullptr;
    int r = sd_bus_message_new_method_call(bus, &call, "org.freedesktop.login1",
                                           "/org/freedesktop/login1",
                                           "org.freedesktop.login1.Manager", "Inhibit");
    if (r >= 0) r = sd_bus_message_set_auto_start(call, 0);
    if (r >= 0) r = sd_bus_message_append(call, "ssss", what, who, why, how);
    if (r >= 0) r = sd_bus_call_async(bus, slot, call, handler, userdata, 0);
    sd_bus_message_unref(call);
    return r;
}

}  // namespace pmos::daemon
