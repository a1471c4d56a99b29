// daemon: what pmosd knows of one mode. A value with handles; what is done to it stands elsewhere.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "policy/launch_plan.h"
#include "policy/profile.h"
#include "runtime/daemon/private_log.h"
#include "runtime/daemon/questions.h"
#include "runtime/daemon/recording.h"
#include "runtime/daemon/sequence.h"
#include "runtime/daemon/time_share.h"
#include "runtime/host/cgroup.h"
#include "runtime/launch/root_image.h"

namespace pmos::daemon {

enum class State : std::uint8_t { disabled, stopped, starting, running, frozen, stopping, failed };
std::string_view state_name(State state) noexcept;

struct DeviceFilters;

// What is made before the moment of launch and used by the next one.
struct Prepared {
    UniqueFd plan;   // sealed image
    UniqueFd id_ns;  // user namespace with the mode's id maps
    UniqueFd net_ns;
    std::shared_ptr<const DeviceFilters> filters;  // loaded, attached nowhere
    std::optional<launch::RootImage> root;
    policy::RootImage image;  // which one root is of
};

// A mode that has processes. Its identity across a restart of pmosd is cgroup plus start time.
struct Running {
    // As it was started. Null when an adopted mode's cannot be read any more: it can be stopped and
    // switched, not entered.
    std::shared_ptr<const policy::LaunchPlan> plan;
    std::string digest;
    // What it was started by; null where that is not known: an adopted mode whose plan is another
    // by now.
    std::shared_ptr<const policy::Profile> profile;
    std::string policy;  // digest of the bundle that it was started under; "": it was none
    UniqueFd pidfd;
    int pid = 0;
    std::uint64_t start_time = 0;  // field 22 of /proc/PID/stat, clock ticks since boot
    std::uint64_t started_at = 0;  // CLOCK_BOOTTIME, µs
    EventSource exited;
    std::shared_ptr<const DeviceFilters> filters;  // null where an adopted mode's plan is
    std::list<Listener> listeners;                 // where the plan's filter asks
    TimeShare answering;                           // for all of them
    UniqueFd throttling;                           // pidfd of who takes memory from it
    std::shared_ptr<void> watch;                   // of what it is denied; see Denials::watch
    std::shared_ptr<Recording> recording;          // null: an ordinary run

    policy::Session session() const { return plan ? plan->session : policy::Session{}; }
};

struct Mode {
    Mode(EventLoop& loop, std::string mode_name) : name(std::move(mode_name)), jobs(loop) {}

    std::string name;
    std::string file;
    std::shared_ptr<const policy::LaunchPlan> plan;  // null: disabled
    std::string digest;
    std::shared_ptr<const policy::Profile> profile;  // that the plan is of
    // What was opened and not closed since, as it was opened: it can be closed also when the
    // profile has changed or broken. Kept under RUN for a restarted pmosd.
    std::vector<policy::Volume> opened;
    std::uint64_t damaged = 0;  // blocks of its image, met since it was mounted
    bool fallen = false;        // the plan's first image did not become ready: the other is used
    bool image_fault = false;   // the start that is under way got no further than its image
    std::string image_at, fallback_at;         // where their root hashes stand: "file:line:column"
    std::string broken;                        // why there is no plan
    std::string reason;                        // why it is disabled or failed
    std::vector<std::string> limits_left_out;  // optional ones that this kernel lacks, as told last

    State state = State::stopped;
    bool foreground = false;
    bool devices_open = false;  // what it may use in the foreground only is open to it
    bool provisioned = false;
    bool locked = false;
    bool suspended = false;  // locked: a volume's key has left the kernel
    bool on_call = false;    // the modem has a call of it
    bool call_held = false;  // it stands still for all that: this kernel could not take its devices
    bool records = false, plays = false;  // by the phone's microphone, its loudspeaker
    std::uint32_t notifications = 0;      // that others may know of
    bool wants_awake = false;             // a program asks that the screen stays on
    bool for_call = false;  // it runs behind another for a call, and stands still after it
    bool held = false;      // locked by freeze, or a lock of it is not at its end
    int last_exit = -1;

    Prepared prepared;
    std::optional<host::Cgroup> cgroup;
    std::optional<Running> running;

    PrivateLog private_log;

    // Asks the worker that makes or opens a volume of it to end; empty where none does.
    std::function<void()> leave_off;

    // Lets the fingerprint reader go, which is asked whether the mode may go on; empty where none
    // is.
    std::function<void()> leave_reader;

    JobQueue jobs;  // everything that changes this mode goes through here

    // Locked, and its processes wait for it to be unlocked.
    bool shut() const noexcept { return suspended || held; }
    bool alive() const noexcept { return running.has_value(); }
    // Behind another mode. Who speaks, or is called, does not: nobody could answer, or hang up.
    bool freezes() const {
        return running && !goes_on_for_call() &&
               running->session().background == policy::Background::freeze;
    }
    bool goes_on_for_call() const noexcept { return on_call && !call_held; }
    bool recorded() const noexcept { return running && running->recording != nullptr; }
    bool needs_secret() const noexcept;
    bool takes_secret() const noexcept;  // one volume at least has a use for one
    // Of a mode that has a plan.
    const policy::RootImage& root() const noexcept { return fallen ? plan->fallback : plan->root; }
    const std::string& root_at() const noexcept { return fallen ? fallback_at : image_at; }
    // Of what cannot be done because it is locked, or has no plan.
    std::unexpected<Error> locked_error() const;
    std::unexpected<Error> disabled_error() const;
};

using Modes = std::map<std::string, std::unique_ptr<Mode>, std::less<>>;

}  // namespace pmos::daemon
