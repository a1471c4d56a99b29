// daemon: keeps the phone's screen on by a lock of systemd-logind's, for one mode at a time.
#include "runtime/daemon/idle_lock.h"

#include <fcntl.h>

#include "runtime/daemon/inhibit.h"
#include "runtime/daemon/journal.h"

namespace pmos::daemon {
namespace {

constexpr const char* kLogind = "org.freedesktop.login1";
constexpr const char* kDriver = "org.freedesktop.DBus";

std::string words_of(const sd_bus_error& error) {
    return error.message != nullptr ? error.message : error.name;
}

}  // namespace

IdleLock::IdleLock(sd_bus* bus) : bus_(bus) {
    sd_bus_slot* slot = nullptr;
    if (sd_bus_add_match_async(bus_, &slot,
                               "type='signal',sender='org.freedesktop.DBus',member="
                               "'NameOwnerChanged',arg0='org.freedesktop.login1'",
                               on_owner, nullptr, this) >= 0)
        owner_.reset(slot);
    look_for_logind();
}

void IdleLock::look_for_logind() {
    sd_bus_slot* slot = nullptr;
    if (sd_bus_call_method_async(bus_, &slot, kDriver, "/org/freedesktop/DBus", kDriver,
                                 "NameHasOwner", on_found, this, "s", kLogind) >= 0)
        found_.reset(slot);
}

std::string IdleLock::why_not() const { return there_ ? refused_ : "there is no systemd-logind"; }

// The lock that there is goes first: no two modes ever have one.
void IdleLock::keep_awake(const std::string& mode) {
    if (mode == mode_) return;
    mode_ = mode;
    asked_.reset();
    lock_.reset();
    if (mode_.empty()) refused_.clear();
    if (!mode_.empty()) ask();
}

// By the name of the mode: what its program calls itself, and why it asks, is its own affair.
void IdleLock::ask() {
    sd_bus_slot* slot = nullptr;
    const std::string why = "mode " + mode_;
    if (ask_to_inhibit(bus_, "idle", "pmos", why.c_str(), "block", on_lock, this, &slot) >= 0)
        asked_.reset(slot);
}

int IdleLock::on_lock(sd_bus_message* message, void* userdata, sd_bus_error*) {
    auto& self = *static_cast<IdleLock*>(userdata);
    self.refused_.clear();
    int fd = -1;
    if (const auto* error = sd_bus_message_get_error(message); error != nullptr) {
        if (self.there_) {
            self.refused_ = words_of(*error);
            journal_note("the screen is not kept on: " + self.refused_);
        }
    } else if (sd_bus_message_read(message, "h", &fd) >= 0) {
        self.lock_.reset(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    }
    return 0;
}

// A new one knows nothing of what the last one gave.
int IdleLock::on_owner(sd_bus_message* message, void* userdata, sd_bus_error*) {
    auto& self = *static_cast<IdleLock*>(userdata);
    const char *name = nullptr, *before = nullptr, *after = nullptr;
    if (sd_bus_message_read(message, "sss", &name, &before, &after) < 0) return 0;
    self.found_.reset();
    self.there_ = *after != '\0';
    self.lock_.reset();
    if (self.there_ && !self.mode_.empty()) self.ask();
    return 0;
}

int IdleLock::on_found(sd_bus_message* message, void* userdata, sd_bus_error*) {
    int there = 0;
    if (sd_bus_message_get_error(message) == nullptr &&
        sd_bus_message_read(message, "b", &there) >= 0)
        static_cast<IdleLock*>(userdata)->there_ = there != 0;
    return 0;
}

}  // namespace pmos::daemon
