// daemon: what every part of pmosd works with. No state of a mode.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/daemon/loop.h"

namespace pmos::daemon {

struct Mode;
class Denials;
class DeviceGate;
class Launcher;
class NetworkLink;
class PinnedFiles;

struct Paths {
    std::string profiles = "/usr/share/pmos/profiles";
    std::string libexec = "/usr/libexec/pmos";
    std::string run = "/run/pmos";
    std::string state = "/var/lib/pmos";
    std::string images = "/usr/share/pmos/images";
    std::string hooks = "/usr/share/pmos/hooks";
    std::string handset = "/etc/pmos/handset.json";
    std::string trust = "/etc/pmos/trust";
    std::string floor = "auto";  // of pmos-bundle --floor
    std::string cgroup;          // root of the modes' cgroups, absolute

    std::string logs() const { return run + "/logs"; }
    std::string log_dir(std::string_view mode) const { return logs() + "/" + std::string(mode); }
    std::string log(std::string_view mode) const { return log_dir(mode) + "/log"; }
    std::string attempts(std::string_view mode) const {
        return state + "/attempts/" + std::string(mode);
    }
    std::string repeats(std::string_view mode) const {
        return run + "/attempts/" + std::string(mode);
    }
    // There while the prints that fprintd keeps for the mode are those of who has its secret now.
    std::string fingers(std::string_view mode) const {
        return state + "/fingers/" + std::string(mode);
    }
    // Where pmos-volume keeps a header while another is written over it.
    std::string headers(std::string_view mode) const {
        return state + "/headers/" + std::string(mode);
    }
    std::string mode_dir(std::string_view mode) const {
        return run + "/modes/" + std::string(mode);
    }
    // Of the modem's broker: its sockets, and of each mode the directory that is bound into it.
    std::string modem() const { return run + "/modem"; }
    std::string modem_modes() const { return modem() + "/modes"; }
    // Of the sound's broker, alike.
    std::string audio() const { return run + "/audio"; }
    std::string audio_modes() const { return audio() + "/modes"; }
    // Of the notifications' broker, alike.
    std::string panel() const { return run + "/panel"; }
    std::string panel_modes() const { return panel() + "/modes"; }
    std::string notify() const { return run + "/notify"; }
    std::string notify_modes() const { return notify() + "/modes"; }
    // Of the network's broker: its socket.
    std::string network() const { return run + "/network"; }
    // Where a root is mounted ahead.
    std::string root_place(std::string_view mode) const { return mode_dir(mode) + "/root"; }
};

using Details = std::vector<std::pair<std::string, std::string>>;

// Who hears of an event. The journal is kept on a storage that no mode's key protects: of what is
// for listeners it gets the outline, of what is for the bus alone nothing.
enum class Audience : std::uint8_t { everyone, listeners, bus };

// Hears what changed. The bus and the journal are behind it.
class Observer {
  public:
    virtual ~Observer() = default;
    virtual void mode_changed(const Mode& mode) = 0;
    virtual void foreground_changed() = 0;
    virtual void progress(const Mode& mode, std::string_view operation, std::uint32_t permille,
                          std::string_view step) = 0;
    virtual void event(std::string_view kind, std::string_view mode, const Details& details,
                       Audience audience = Audience::everyone) = 0;
};

// An event of that kind, with why; of a success nothing.
inline void tell_failure(Observer& observer, std::string_view kind, std::string_view mode,
                         const Result<>& result, Audience audience = Audience::everyone) {
    if (!result) observer.event(kind, mode, {{"why", result.error().message()}}, audience);
}

struct Context {
    EventLoop& loop;
    const Paths& paths;
    Launcher& launcher;
    Observer& observer;
    Denials& denials;
    DeviceGate& gate;
    NetworkLink& network;
    const PinnedFiles& pinned;
    // The keys of this mode were destroyed on the storage; the kernel may still have some.
    std::function<void(Mode&)> keys_ended;
};

// CLOCK_BOOTTIME in µs.
std::uint64_t boot_time_usec() noexcept;

}  // namespace pmos::daemon
