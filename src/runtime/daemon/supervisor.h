// daemon: the modes of the phone and every verb on them. Knows nothing of D-Bus.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "policy/policy_set.h"
#include "runtime/daemon/audio_link.h"
#include "runtime/daemon/context.h"
#include "runtime/daemon/denials.h"
#include "runtime/daemon/device_gate.h"
#include "runtime/daemon/device_watch.h"
#include "runtime/daemon/fd_store.h"
#include "runtime/daemon/finger_reader.h"
#include "runtime/daemon/idle_keeper.h"
#include "runtime/daemon/image_watch.h"
#include "runtime/daemon/launcher.h"
#include "runtime/daemon/lock_timers.h"
#include "runtime/daemon/mode.h"
#include "runtime/daemon/modem_link.h"
#include "runtime/daemon/network_link.h"
#include "runtime/daemon/notify_link.h"
#include "runtime/daemon/observer_tap.h"
#include "runtime/daemon/panel_link.h"
#include "runtime/daemon/policy_source.h"
#include "runtime/daemon/recorder.h"
#include "runtime/daemon/sessions.h"
#include "runtime/daemon/switchboard.h"
#include "runtime/daemon/volume_verbs.h"
#include "runtime/daemon/volume_works.h"
#include "runtime/host/doctor.h"
#include "runtime/volume/attempts.h"

namespace pmos::daemon {

// Why somebody's unlock is called off.
inline constexpr const char* kIsLocked = "the mode is being locked";

struct DeviceState {
    policy::HostDevice device;
    std::vector<std::pair<std::string, std::string>>
        grants;  // mode: "always", "foreground", "never"
};
struct ClassGrant {
    std::string device_class, right;
    std::string at;  // where the profile says so; "": it says nothing of the class
    std::vector<std::string> nodes;
};

struct Foreground;

class Supervisor {
  public:
    Supervisor(EventLoop& loop, const Paths& paths, Observer& observer, unsigned confirm_after_s);
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;

    // Reads the policy, starts the launcher, adopts what an earlier pmosd left running and removes
    // what it left half-made. `kept` is what the service manager kept for us.
    Result<> begin(std::vector<KeptDescriptor> kept);
    // Starts the modes that say so; the first of them comes to the foreground.
    void autostart();
    // Stops and locks every mode; refuses new work from then on.
    void shut_down(Done done);

    const std::map<std::string, std::unique_ptr<Mode>, std::less<>>& modes() const {
        return modes_;
    }
    Result<Mode*> find(std::string_view name);
    std::string foreground() const;
    Sessions& sessions() noexcept { return sessions_; }

    // owner: who asked; if he leaves, no volume is made or opened any more.
    void provision(Mode& mode, UniqueFd secret, std::string owner, Done done);
    // What waits for a person meanwhile ends when somebody locks or erases the mode.
    void unlock(Mode& mode, UniqueFd secret, bool start, std::string owner, Done done);
    void lock(Mode& mode, Done done);   // as strongly as its profile says
    void evict(Mode& mode, Done done);  // and nothing of it stays in memory
    void erase(Mode& mode, Done done);  // and its volumes are gone for ever
    // Lets a mode that was locked by freeze go on, where the profile and the time since its own
    // secret was given let a finger do so; docs/integrating.md has the rules.
    void unlock_by_finger(Mode& mode, std::string owner, Done done);
    void test_finger(Mode& mode, std::string owner, Done done);
    void enroll_finger(Mode& mode, std::string finger, UniqueFd secret, std::string owner,
                       Done done);
    void list_fingers(Mode& mode, Answer<std::vector<std::string>> answer);
    void remove_fingers(Mode& mode, UniqueFd secret, std::string owner, Done done);
    // CLOCK_BOOTTIME in µs until when a finger is enough; 0: it is not.
    std::uint64_t finger_until(const Mode& mode) const;
    // nullptr: none can be asked now.
    void set_finger_reader(FingerReader* reader) noexcept { reader_ = reader; }
    // As above.
    void set_idle_keeper(IdleKeeper* keeper);
    // What the lock screen, or who puts the phone to sleep, has to say; answers when every mode
    // that locks then is locked.
    void screen_locked(bool locked, Done done);
    void before_sleep(Done done);
    void start(Mode& mode, Answer<bool> answer);                 // true: it was not running
    void stop(Mode& mode, std::uint32_t timeout_ms, Done done);  // 0: as the profile says
    void restart(Mode& mode, Done done);
    void switch_to(std::string_view name, Done done);  // "" for none
    // Runs a mode that is stopped under a plan that lets through what its filter refuses, as far as
    // that may be, for that long; owner names who asked, as for exec.
    void record(Mode& mode, std::chrono::milliseconds how_long, std::string owner,
                Answer<Recorded> answer);
    // Ends what that owner has asked for of this mode, be it that it waits, starts or goes on.
    Result<> end_record(const Mode& mode, const std::string& owner);
    // What callers that are gone have begun ends.
    void drop_owners(const std::function<bool(const std::string&)>& gone);
    // One verb on one volume; answers what there is to tell.
    void volume(Mode& mode, VolumeCall call, Answer<Details> answer);
    // The key of its tunnel: made, taken from `text`, or told the public half of, by verb.
    void tunnel_key(Mode& mode, VolumeCall call, Answer<std::string> answer);
    void network_status(Mode& mode, Answer<NetworkStatus> answer);
    void network_connections(const Mode& mode, Answer<NetworkConnections> answer);
    void stop_all(Done done);

    using Changed = std::vector<std::string>;  // modes whose plan did
    void reload(Answer<Changed> answer);
    // A bundle becomes the policy, on trial; answers its label.
    void install_policy(UniqueFd file, Answer<std::string> answer);
    void confirm_policy(Done done);
    void reject_policy(Done done);
    // pmosd ends in order, which is no reason to doubt the policy on trial.
    void end_policy();
    // What there is to know of the policy's source, by names that docs/bus.md has.
    Details policy_status() const;
    // What the policy that is used now is made of.
    Result<std::vector<PolicyFile>> profiles() const;
    std::vector<host::Finding> doctor();
    // The directory of the modes' cgroups, each by its mode's name.
    const std::string& cgroups() const { return paths_.cgroup; }
    // What devices there are, by what was read of them last, and whom the plans grant them: of a
    // mode that runs the plan that it runs with.
    std::vector<DeviceState> devices() const;
    const std::vector<StepTime>& last_switch() const { return switchboard_.last(); }
    // What the mode's profile says of each class, and what comes of it.
    Result<std::vector<ClassGrant>> device_grants(const Mode& mode) const;
    std::string inspect(const Mode& mode) const;
    // Of the mode's secret; of a mode that has none nothing is counted.
    volume::Standing standing(const Mode& mode) const;
    Result<UniqueFd> open_log(const Mode& mode) const;

  private:
    Result<policy::HostFacts> read_facts() const;
    Result<> begin_policy();
    std::string model() const;
    Changed take_directory();
    Changed take_bundle(Result<bundle::Report> report);
    std::string fault_in(const policy::PolicySet& set) const;
    std::string fault_in(const bundle::Report& trial) const;
    void take_or_fall_back(Result<bundle::Report> report, Answer<Changed> answer);
    void stage(UniqueFd copy, Answer<Changed> answer);
    void go_over(const bundle::Report& staged, Answer<Changed> answer);
    using PolicyJob = std::move_only_function<void(Answer<Changed>)>;
    void queue_policy(PolicyJob job, Answer<Changed> answer);
    Result<> may_queue_policy() const;
    void queue_job(BundleJob job, Answer<Changed> answer);
    void ask_and_take(BundleJob job, Answer<Changed> answer);
    void reload_job(Answer<Changed> answer);
    Result<bundle::Report> ask_at_start(BundleJob job) const;
    Result<> takes_bundles() const;
    void confirm(const std::string& sha256, Done done);
    bool trial_works() const;
    void watch_trial();
    void watch_devices();
    void on_devices();
    void follow_at_once();
    void look_at_devices_in(std::chrono::milliseconds delay);
    void settle_devices(Mode& mode, std::shared_ptr<const policy::HostFacts> ahead = nullptr);
    bool is_same_but_for_devices(const policy::LaunchPlan& running, const Mode& mode) const;
    void begin_images();
    void take_image(Mode& mode, const policy::ModePolicy& policy);
    bool is_unready(const Mode& mode) const;
    // False: it has no other image, or uses it already.
    bool fall_back(Mode& mode, const std::string& why);
    void on_corrupt_block(const std::string& mode, const CorruptBlock& block);
    void begin_modem();
    void tell_modem();
    void on_call(const std::vector<std::string>& modes);
    void on_call_came(const std::string& mode);
    void on_sound(const audio::Users& users);
    void on_notifications(const NotifyLink::Uses& uses);
    void look_at_idle();
    void make_notify_places() const;
    void add_notify_findings(std::vector<host::Finding>& findings) const;
    panel::Table describe_for_panel(const Mode* front) const;
    PanelLink::Asks panel_asks();
    void on_another_panel();
    void make_panel_places() const;
    void add_panel_findings(std::vector<host::Finding>& findings) const;
    void make_audio_places() const;
    void adopt_network(Mode& mode);
    void add_network_findings(std::vector<host::Finding>& findings) const;
    void add_audio_findings(std::vector<host::Finding>& findings) const;
    void add_modem_findings(std::vector<host::Finding>& findings) const;
    void add_image_findings(std::vector<host::Finding>& findings) const;
    std::optional<Denied> whose(std::uint32_t uid) const;
    Denied about(const Mode& mode) const;
    bool keeps_private(const std::string& mode, const Details& denial);
    Result<std::shared_ptr<const policy::LaunchPlan>> recording_plan(const Mode& mode) const;
    void end_recording(Mode& mode, std::shared_ptr<const Recording> recording);
    void recheck_recording(Mode& mode);
    // Compiles every profile for this phone; names of the modes whose plan changed.
    std::vector<std::string> take_policy();
    void take_mode(const policy::ModePolicy& policy);
    void drop_prepared(Mode& mode);
    void recall_modes();
    void adopt(Mode& mode);
    void take_listeners(std::vector<KeptDescriptor> kept);
    void bring_foreground_back();
    void on_exit(Mode& mode);
    // Queues the job on the mode; settles what is prepared and reports what failed after it.
    void enqueue(Mode& mode, std::string verb, JobQueue::Job job, Done done);
    void settle_soon(Mode& mode);
    void after_job(Mode& mode, const std::string& verb, const Result<>& result);
    Result<> shares_nothing(const Mode& mode) const;
    void start_job(Mode& mode, std::shared_ptr<const policy::LaunchPlan> recording, Done done);
    void start_now(Mode& mode, std::shared_ptr<const policy::LaunchPlan> recording, Done done);
    void lock_job(Mode& mode, Done done);
    void work_on_volume(Mode& mode, VolumeCall call, Answer<Details> answer);
    void hold_job(Mode& mode, Done done);
    void use_new_key(Mode& mode, Done done);
    void suspend_job(Mode& mode, Done done);
    void evict_job(Mode& mode, Done done);
    void evict_now(Mode& mode, Done done);
    void let_go(Mode& mode, Done done);
    void after_reencryption(Mode& mode, const Result<Details>& told);
    void finish_reencryption(Mode& mode);
    void erase_job(Mode& mode, Done done);
    void keys_ended(Mode& mode);
    void stop_and_close(Mode& mode, Done done);
    void stop_job(Mode& mode, std::uint32_t timeout_ms, Done done);
    void open_job(Mode& mode, UniqueFd secret, VolumeWorks::Ticket work, Done done);
    void finish_lock(Mode& mode);
    Result<> finger_may(const Mode& mode);
    Result<> finger_opens(const Mode& mode);
    void finger_job(Mode& mode, const VolumeWorks::Ticket& work, Done done);
    void ask_finger(Mode& mode, const VolumeWorks::Ticket& work, Done done);
    void judge_first(Mode& mode, const VolumeWorks::Ticket& work, UniqueFd secret, Done done);
    void count_finger(const Mode& mode);
    void note_strong_unlock(const Mode& mode);
    void remove_prints(const Mode& mode, Done done);
    void disown_fingers(const Mode& mode);
    void forget_fingers(const Mode& mode);
    void after_lock(Mode& mode);
    void lock_due(Mode& mode, bool evict, std::string_view why);
    void lock_all_at(policy::LockAt moment, Done done);
    void look_at_clocks();
    void close_job(Mode& mode, Result<> stopped, Done done);
    void adopt_devices(Mode& mode);
    void bring_back(const Foreground& kept);
    void bring_one_to_front();
    void watch_log(Mode& mode);
    void bound_logs();

    EventLoop& loop_;
    const Paths& paths_;
    Launcher launcher_;
    PinnedFiles pinned_;
    ObserverTap observer_;
    Context ctx_;
    Denials denials_;
    DeviceGate gate_;
    Sessions sessions_;
    Recorder recorder_;
    LockTimers timers_;
    AudioLink audio_;
    NotifyLink notify_;
    PanelLink panel_;
    NetworkLink network_;
    Switchboard switchboard_;
    VolumeWorks works_;
    FingerReader* reader_ = nullptr;
    IdleKeeper* idle_keeper_ = nullptr;
    std::unique_ptr<DeviceWatch> device_watch_;
    EventSource devices_later_;
    bool devices_unsettled_ = false;
    std::unique_ptr<ImageWatch> image_watch_;
    std::unique_ptr<ModemLink> modem_;
    policy::HostFacts facts_;
    PolicySource source_;
    std::optional<bundle::Report> bundle_;  // none: the policy is a directory
    JobQueue policy_jobs_;
    std::chrono::seconds confirm_after_;
    EventSource confirm_later_;
    std::string confirm_what_;  // the trial that confirm_later_ is about
    policy::PolicySet policy_;
    std::vector<std::string> emergency_numbers_;  // of the last site policy that could be read
    std::vector<PolicyFile> files_;               // what policy_ was read from
    Modes modes_;
    // One for all logs: closing an inotify instance takes the kernel ten milliseconds.
    UniqueFd inotify_;
    EventSource log_written_;
    bool closing_ = false;
};

}  // namespace pmos::daemon
