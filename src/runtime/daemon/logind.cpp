// daemon: what systemd-logind says of the screen and of sleep, where there is one. Decides nothing;
// without logind it is as if nothing was ever said (see Manager.ScreenLocked and BeforeSleep).
#include "runtime/daemon/logind.h"

#include <fcntl.h>

#include <string_view>

#include "runtime/daemon/inhibit.h"
#include "runtime/daemon/journal.h"

namespace pmos::daemon {
namespace {

constexpr const char* kLogind = "org.freedesktop.login1";
constexpr const char* kPath = "/org/freedesktop/login1";
constexpr const char* kManager = "org.freedesktop.login1.Manager";
constexpr const char* kSession = "org.freedesktop.login1.Session";

void tell(const Result<>& result) {
    if (!result) journal_error(result.error());
}

}  // namespace

Logind::Logind(sd_bus* bus, Supervisor& supervisor) : bus_(bus), supervisor_(supervisor) {
    hear(sleep_, kPath, kManager, "PrepareForSleep", on_sleep);
    hear(lock_, nullptr, kSession, "Lock", on_lock);
    hear(session_, nullptr, "org.freedesktop.DBus.Properties", "PropertiesChanged", on_session);
    sd_bus_slot* slot = nullptr;
    if (sd_bus_add_match_async(bus_, &slot,
                               "type='signal',sender='org.freedesktop.DBus',member="
                               "'NameOwnerChanged',arg0='org.freedesktop.login1'",
                               on_owner, nullptr, this) >= 0)
        owner_.reset(slot);
    delay_sleep();
}

// logind may come later, or never: the bus daemon passes on what its owner sends, and nobody else.
void Logind::hear(Slot& slot, const char* path, const char* interface, const char* signal,
                  sd_bus_message_handler_t handler) {
    sd_bus_slot* made = nullptr;
    const int r = sd_bus_match_signal_async(bus_, &made, kLogind, path, interface, signal, handler,
                                            nullptr, this);
    if (r < 0)
        journal_error(errno_error(-r, std::string("cannot hear logind's ") + signal));
    else
        slot.reset(made);
}

void Logind::delay_sleep() {
    sd_bus_slot* slot = nullptr;
    if (ask_to_inhibit(bus_, "sleep", "pmosd", "locks the modes", "delay", on_inhibited, this,
                       &slot) >= 0)
        asked_.reset(slot);
}

int Logind::on_inhibited(sd_bus_message* message, void* userdata, sd_bus_error*) {
    auto& self = *static_cast<Logind*>(userdata);
    int fd = -1;
    if (sd_bus_message_is_method_error(message, nullptr) != 0) return 0;
    if (sd_bus_message_read(message, "h", &fd) < 0) return 0;
    self.delay_->reset(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    return 0;
}

int Logind::on_sleep(sd_bus_message* message, void* userdata, sd_bus_error*) {
    auto& self = *static_cast<Logind*>(userdata);
    int begins = 0;
    if (sd_bus_message_read(message, "b", &begins) < 0) return 0;
    if (begins == 0) {
        self.delay_sleep();
        return 0;
    }
    self.supervisor_.before_sleep([delay = self.delay_](Result<> locked) {
        tell(locked);
        delay->reset();
    });
    return 0;
}

// A request to lock; that it was unlocked only the session itself knows.
int Logind::on_lock(sd_bus_message*, void* userdata, sd_bus_error*) {
    static_cast<Logind*>(userdata)->supervisor_.screen_locked(true, tell);
    return 0;
}

int Logind::on_session(sd_bus_message* message, void* userdata, sd_bus_error*) {
    const char* interface = nullptr;
    int r = sd_bus_message_read(message, "s", &interface);
    if (r < 0 || std::string_view(interface) != kSession) return 0;
    r = sd_bus_message_enter_container(message, 'a', "{sv}");
    while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
        const char* name = nullptr;
        if ((r = sd_bus_message_read(message, "s", &name)) < 0) break;
        if (std::string_view(name) == "LockedHint") {
            int locked = 0;
            if (sd_bus_message_read(message, "v", "b", &locked) < 0) break;
            static_cast<Logind*>(userdata)->supervisor_.screen_locked(locked != 0, tell);
            break;
        }
        if ((r = sd_bus_message_skip(message, "v")) >= 0)
            r = sd_bus_message_exit_container(message);
    }
    return 0;
}

int Logind::on_owner(sd_bus_message* message, void* userdata, sd_bus_error*) {
    const char *name = nullptr, *before = nullptr, *after = nullptr;
    if (sd_bus_message_read(message, "sss", &name, &before, &after) >= 0 && *after != '\0')
        static_cast<Logind*>(userdata)->delay_sleep();
    return 0;
}

}  // namespace pmos::daemon
