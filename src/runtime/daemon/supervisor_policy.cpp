// daemon: how the supervisor takes in policy and what an earlier pmosd left. See supervisor.h.
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>

#include "base/text.h"
#include "policy/device_change.h"
#include "policy/names.h"
#include "policy/site_policy.h"
#include "runtime/daemon/bundle_words.h"
#include "runtime/daemon/freezer.h"
#include "runtime/daemon/mode_files.h"
#include "runtime/daemon/mode_log.h"
#include "runtime/daemon/mode_start.h"
#include "runtime/daemon/mode_stop.h"
#include "runtime/daemon/prepared.h"
#include "runtime/daemon/process_stat.h"
#include "runtime/daemon/supervisor.h"
#include "runtime/daemon/volumes.h"
#include "runtime/host/facts.h"

namespace pmos::daemon {

using namespace std::chrono_literals;

namespace {

std::string first_error(const std::vector<policy::Diagnostic>& diagnostics) {
    const auto it =
        std::ranges::find(diagnostics, policy::Severity::error, &policy::Diagnostic::severity);
    if (it == diagnostics.end()) return "";
    const auto errors =
        std::ranges::count(diagnostics, policy::Severity::error, &policy::Diagnostic::severity);
    std::string text =
        fmt::format("{}:{}:{}: {}", it->at.file, it->at.line, it->at.column, it->message);
    if (errors > 1) text += fmt::format(" (and {} more)", errors - 1);
    return text;
}

Result<UniqueFd> open_process(const SavedState& saved) {
    UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, saved.pid, 0)));
    if (!pidfd) return fail(errno_error(errno, "the process is gone"));
    // After the pidfd is open the pid cannot be anybody else's: now the start time decides.
    PMOS_ASSIGN(const auto stat, process_stat(saved.pid));
    if (stat.start_time != saved.start_time)
        return fail(Code::not_found, "the process is another one");
    return pidfd;
}

}  // namespace

Result<> Supervisor::begin(std::vector<KeptDescriptor> kept) {
    for (const std::string& dir : {paths_.run, paths_.run + "/modes"})
        if (::mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST)
            return fail(errno_error(errno, "cannot make '" + dir + "'"));
    PMOS_TRY(launcher_.start());
    PMOS_TRY(host::prepare_cgroup_root(paths_.cgroup));
    watch_devices();
    gate_.begin(kept);
    begin_images();
    recall_modes();
    PMOS_TRY(begin_policy());
    for (auto& [name, mode] : modes_) {
        adopt(*mode);
        if (mode->alive() && mode->running->digest != mode->digest) settle_devices(*mode);
        timers_.adopt(*mode);
        finish_lock(*mode);
        finish_reencryption(*mode);
        clear_half_made(ctx_, *mode);
    }
    take_listeners(std::move(kept));
    // Neither profile nor trace: it was one of an earlier policy.
    std::erase_if(modes_, [this](const auto& entry) {
        const Mode& mode = *entry.second;
        const bool over =
            mode.file.empty() && !mode.alive() && mode.opened.empty() && mode.jobs.idle();
        if (over) static_cast<void>(remove_mode_dir(paths_, mode.name));
        return over;
    });
    bring_back(read_foreground(paths_));
    look_at_clocks();
    watch_trial();
    begin_modem();
    audio_.begin();
    notify_.begin();
    panel_.begin();
    network_.begin();
    bring_foreground_back();
    return {};
}

// It was in front, or about to leave: the switch that was under way has not been.
void Supervisor::bring_back(const Foreground& kept) {
    std::vector<Mode*> before;
    for (const auto& name : kept.before)
        if (const auto mode = find(name); mode && (*mode)->alive()) before.push_back(*mode);
    const auto found = find(kept.mode);
    Mode* const front = found && (*found)->alive() ? *found : nullptr;
    switchboard_.adopt(front, std::move(before));
    if (front == nullptr || front->state != State::frozen || front->shut()) return;
    if (auto thawed = thaw_mode(ctx_, *front); !thawed)
        ctx_.observer.event("switch-failed", front->name, {{"error", thawed.error().message()}});
}

// A mode may run on whose profile has gone since: it can be seen, stopped and locked.
void Supervisor::recall_modes() {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(paths_.run + "/modes", ignored)) {
        const std::string name = entry.path().filename();
        if (policy::is_mode_name(name)) modes_[name] = std::make_unique<Mode>(loop_, name);
    }
}

// Of the mode in whose id range the user is: no two that run have one in common. One that has just
// ended, or is about to run, is found by the plan it has.
std::optional<Denied> Supervisor::whose(std::uint32_t uid) const {
    const auto maps = [uid](const std::shared_ptr<const policy::LaunchPlan>& plan) {
        return plan && std::ranges::any_of(plan->uid_map, [uid](const policy::IdMap& m) {
                   return uid >= m.outside && uid - m.outside < m.count;
               });
    };
    auto found = std::ranges::find_if(
        modes_, [&](const auto& m) { return m.second->alive() && maps(m.second->running->plan); });
    if (found == modes_.end())
        found = std::ranges::find_if(modes_, [&](const auto& m) { return maps(m.second->plan); });
    if (found == modes_.end()) return std::nullopt;
    return about(*found->second);
}

Denied Supervisor::about(const Mode& mode) const {
    const auto policy = std::ranges::find(policy_.modes, mode.name, &policy::ModePolicy::mode);
    return {mode.name, policy != policy_.modes.end() ? policy->profile.get() : nullptr, &facts_,
            mode.running ? mode.running->recording.get() : nullptr, has_private_part(mode)};
}

bool Supervisor::keeps_private(const std::string& name, const Details& denial) {
    const auto found = modes_.find(name);
    if (found == modes_.end() || !has_private_part(*found->second)) return false;
    keep_private(ctx_, *found->second, "denied", denial);
    return true;
}

Result<std::shared_ptr<const policy::LaunchPlan>> Supervisor::recording_plan(
    const Mode& mode) const {
    const auto policy = std::ranges::find(policy_.modes, mode.name, &policy::ModePolicy::mode);
    if (!mode.plan || policy == policy_.modes.end() || !policy->profile)
        return mode.disabled_error();
    policy::CompileOptions options{.record = true, .never = {}};
    if (policy->demands) {
        if (const auto* mark = policy::production_mark(*policy->demands, mode.name))
            return fail(Code::denied, "mode '" + mode.name + "' is in production",
                        "the site policy says so (" + policy::to_text(mark->at) + ")",
                        "record on a developer's phone, whose site policy has no such mark");
        options.never = policy::refused_syscalls(*policy->demands, mode.name);
    }
    auto compiled = policy::compile(*policy->profile, facts_, options);
    if (!compiled.plan) return fail(Code::unsupported, first_error(compiled.diagnostics));
    return std::make_shared<const policy::LaunchPlan>(std::move(*compiled.plan));
}

// The first one comes to the front, or whichever runs where it does not.
void Supervisor::autostart() {
    std::vector<Mode*> wanted;
    for (auto& [name, mode] : modes_)
        if (mode->plan && mode->plan->session.autostart && !mode->alive())
            wanted.push_back(mode.get());
    if (wanted.empty()) return;
    // Who was there before is on its way back, if anybody is.
    const bool free = switchboard_.foreground() == nullptr && !switchboard_.busy();
    for (Mode* mode : wanted)
        if (!free || mode != wanted.front())
            start(*mode, [this](Result<bool>) { bring_one_to_front(); });
    if (free) switchboard_.switch_to(wanted.front(), [this](Result<>) { bring_one_to_front(); });
}

void Supervisor::bring_one_to_front() {
    if (closing_ || switchboard_.busy() || switchboard_.foreground() != nullptr) return;
    for (auto& [name, mode] : modes_)
        if (mode->state == State::running && mode->plan && mode->plan->session.autostart)
            return switchboard_.switch_to(mode.get(), [](Result<>) {});
}

Result<policy::HostFacts> Supervisor::read_facts() const {
    host::HostPaths host_paths;
    host_paths.cgroup_root = paths_.cgroup;
    host_paths.handset_json = paths_.handset;
    PMOS_ASSIGN(auto facts, host::read_host_facts(host_paths));
    facts.audit = denials_.sees_audit();
    facts.device_denials = denials_.sees_devices();
    facts.device_revocation = gate_.why_not().empty();
    facts.capability_denials = facts_.capability_denials;  // where anybody has asked for them
    facts.landlock_denials = facts_.landlock_denials;
    facts.images_dir = paths_.images;
    facts.hooks_dir = paths_.hooks;
    facts.volumes_dir = paths_.state + "/volumes";
    facts.keys_dir = paths_.state + "/keys";
    facts.modem_dir = paths_.modem_modes();
    facts.audio_dir = paths_.audio_modes();
    facts.notify_dir = paths_.notify_modes();
    return facts;
}

std::vector<std::string> Supervisor::take_policy() {
    // A slip in the site policy takes no call for help away.
    if (!policy::has_errors(policy_.diagnostics)) emergency_numbers_ = policy_.emergency_numbers;
    // Finding out takes reading what the kernel says of itself: not where nobody wants to know.
    if (std::ranges::any_of(policy_.modes, [](const policy::ModePolicy& policy) {
            return policy.profile &&
                   (policy.profile->tell_capabilities || policy.profile->tell_landlock);
        }))
        denials_.add_facts(facts_);
    host::read_ciphers(facts_, policy_);
    std::map<std::string, std::string, std::less<>> before;
    for (const auto& [name, mode] : modes_) before[name] = mode->digest;
    std::set<std::string, std::less<>> named;
    for (const auto& policy : policy_.modes) {
        named.insert(policy.mode);
        take_mode(policy);
    }
    // A profile that went away disables its mode; one that runs goes on with the plan it has.
    for (auto& [name, mode] : modes_) {
        if (named.contains(name)) continue;
        mode->plan.reset();
        mode->digest.clear();
        mode->fallen = false;
        mode->broken = "its profile is gone";
        if (!mode->alive()) {
            mode->state = State::disabled;
            mode->reason = mode->broken;
            // One that runs and is not adopted yet still writes to its log.
            if (!read_state(paths_, name)) static_cast<void>(remove_log(paths_, name));
            if (mode->jobs.idle()) drop_prepared(*mode);
        }
        ctx_.observer.mode_changed(*mode);
    }
    if (std::ranges::any_of(modes_, [](const auto& m) { return has_private_part(*m.second); }))
        denials_.collect_audit();
    std::vector<std::string> changed;
    for (const auto& [name, mode] : modes_)
        if (before[name] != mode->digest) changed.push_back(name);
    for (const auto& [name, mode] : modes_) recheck_recording(*mode);
    make_audio_places();
    make_notify_places();
    make_panel_places();
    tell_modem();
    return changed;
}

// Behind whatever waits for it; it takes the kernel milliseconds.
void Supervisor::drop_prepared(Mode& mode) {
    release_prepared(ctx_, std::exchange(mode.prepared, {}), [](Result<>) {});
}

void Supervisor::take_mode(const policy::ModePolicy& policy) {
    auto& slot = modes_[policy.mode];
    if (!slot) slot = std::make_unique<Mode>(loop_, policy.mode);
    Mode& mode = *slot;
    mode.file = policy.file;
    std::shared_ptr<const policy::LaunchPlan> plan;
    std::string reason = first_error(policy.diagnostics);
    if (policy.profile && reason.empty()) {
        auto compiled = policy::compile(*policy.profile, facts_, {.ask = true});
        if (compiled.plan)
            plan = std::make_shared<policy::LaunchPlan>(std::move(*compiled.plan));
        else
            reason = first_error(compiled.diagnostics);
    }
    const std::string digest = plan ? policy::digest(*plan) : "";
    // The same plan stays the same object: a start that is under way is not disturbed.
    if (digest != mode.digest || !plan || !mode.plan) {
        drop_prepared(mode);
        mode.plan = std::move(plan);
        mode.digest = digest;
        mode.profile = policy.profile;
        mode.broken = reason;
    }
    take_image(mode, policy);
    if (!mode.alive() && mode.jobs.idle()) {
        if (!mode.plan || mode.state == State::disabled) {
            mode.state = mode.plan ? State::stopped : State::disabled;
            mode.reason = reason;
        }
    }
    refresh_volume_state(mode);
    ::mkdir(paths_.mode_dir(mode.name).c_str(), 0700);
    settle_soon(mode);
    ctx_.observer.mode_changed(mode);
}

// Devices may have come and gone while there was no pmosd.
bool Supervisor::is_same_but_for_devices(const policy::LaunchPlan& running,
                                         const Mode& mode) const {
    const auto change = policy::device_change(running, mode.profile.get(), facts_);
    return change && policy::digest(change->plan) == mode.digest;
}

// What runs in the mode's cgroup and is the process we wrote down is the mode; anything else there
// is the rest of a launch that was cut short, and goes.
void Supervisor::adopt(Mode& mode) {
    // A pmosd that was killed took its mounts along, and left the place of the root.
    ::rmdir(paths_.root_place(mode.name).c_str());
    mode.opened = read_opened(paths_, mode.name);
    auto cgroup = host::Cgroup::open(paths_.cgroup, mode.name);
    const auto saved = read_state(paths_, mode.name);
    if (!cgroup) {
        static_cast<void>(remove_run_files(paths_, mode.name));
        return;
    }
    mode.cgroup = std::move(*cgroup);
    auto pidfd = saved ? open_process(*saved) : Result<UniqueFd>(fail(Code::not_found, "no state"));
    if (!pidfd || !mode.cgroup->contains(saved->pid)) {
        mode.jobs.add([this, &mode](Done done) { remove_cgroup(ctx_, mode, std::move(done)); },
                      [this, &mode](Result<> removed) {
                          static_cast<void>(remove_run_files(paths_, mode.name));
                          ctx_.observer.event(
                              "recovered", mode.name,
                              {{"error", removed ? "" : removed.error().message()}});
                      });
        return;
    }
    Running running;
    running.plan =
        saved->digest == mode.digest ? mode.plan : read_plan(paths_, mode.name, saved->digest);
    if (saved->digest == mode.digest ||
        (running.plan && is_same_but_for_devices(*running.plan, mode)))
        running.profile = mode.profile;
    running.digest = saved->digest;
    running.policy = saved->policy;
    running.pidfd = std::move(*pidfd);
    running.pid = saved->pid;
    running.start_time = saved->start_time;
    running.started_at = saved->started_at;
    if (running.plan) running.watch = denials_.watch(mode, *mode.cgroup, *running.plan);
    mode.running = std::move(running);
    adopt_devices(mode);
    adopt_network(mode);
    mode.state =
        mode.cgroup->is_frozen() || mode.cgroup->freezes() ? State::frozen : State::running;
    // Until the modem's broker says that the call is over.
    mode.for_call = mode.on_call = read_for_call(paths_, mode.name);
    static_cast<void>(watch_exit(ctx_, mode, [this](Mode& ended) { on_exit(ended); }));
    watch_log(mode);
    ctx_.observer.event("adopted", mode.name, {{"pid", std::to_string(saved->pid)}});
    ctx_.observer.mode_changed(mode);
}

// What the modes' filters asked while there was no pmosd has waited. Without its listener, because
// nobody kept it, such a call gets ENOSYS: refused, and not told.
void Supervisor::take_listeners(std::vector<KeptDescriptor> kept) {
    std::set<std::string> kept_own;
    for (auto& one : kept) {
        const auto found = modes_.find(mode_of_listener(one.name));
        const bool alive = found != modes_.end() && found->second->alive();
        const std::string name = one.name;
        if (!alive || !listen_again(ctx_, *found->second, std::move(one)))
            forget_descriptor(name);
        else if (whose_listener(name) == Whose::mode)
            kept_own.insert(found->first);
    }
    for (auto& [name, mode] : modes_) {
        if (!mode->alive()) continue;
        if (!mode->running->listeners.empty()) have_asked_again(*mode);
        if (!kept_own.contains(name) && mode->running->plan &&
            !mode->running->plan->seccomp_answer.empty()) {
            ctx_.observer.event(
                "denials-lost", name,
                {{"why",
                  "nobody kept its filter's listener: what it asks gets ENOSYS until the "
                  "mode is restarted"}});
        }
    }
}

void Supervisor::watch_log(Mode& mode) {
    if (!inotify_) {
        inotify_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
        if (!inotify_) return;
        bound_logs();
    }
    // The same file has one watch, however often it is added; it goes with the file.
    ::inotify_add_watch(inotify_.get(), paths_.log(mode.name).c_str(), IN_MODIFY);
}

// A mode that writes without end wakes pmosd once a second, not once a line.
void Supervisor::bound_logs() {
    log_written_ = loop_.on_io(inotify_.borrow(), EPOLLIN, [this](std::uint32_t) {
        char events[4096];
        while (::read(inotify_.get(), events, sizeof events) > 0) {
        }
        for (const auto& [name, mode] : modes_) bound_log(paths_, name);
        log_written_ = loop_.after(1s, [this] { bound_logs(); });
    });
}

std::vector<host::Finding> Supervisor::doctor() {
    denials_.add_facts(facts_);
    host::read_traces(facts_);  // a sysctl may have come since
    auto findings = host::examine(facts_, policy_);
    add_image_findings(findings);
    add_modem_findings(findings);
    add_audio_findings(findings);
    add_notify_findings(findings);
    add_panel_findings(findings);
    add_network_findings(findings);
    denials_.add_findings(findings);
    if (bundle_)
        std::ranges::move(policy_findings(*bundle_), std::back_inserter(findings));
    else
        findings.push_back(
            {"note", "policy",
             fmt::format("read from '{}', not signed: whoever can write there decides",
                         paths_.profiles),
             fmt::format("trust a signer: put a .pub file into '{}'", paths_.trust)});
    return findings;
}

Details Supervisor::policy_status() const {
    if (!bundle_) return {{"source", "directory"}, {"directory", paths_.profiles}};
    return policy_details(*bundle_);
}

volume::Standing Supervisor::standing(const Mode& mode) const {
    if (mode.takes_secret()) return volume::look_at_attempts(paths_.attempts(mode.name));
    return {0, false, std::chrono::seconds(0)};
}

std::string Supervisor::inspect(const Mode& mode) const {
    const auto secret = standing(mode);
    const auto& plan = mode.running ? mode.running->plan : mode.plan;
    return fmt::format(
        "{{\"mode\":{},\"state\":{},\"reason\":{},\"file\":{},\"digest\":{},\"pid\":{},"
        "\"failures\":{},\"retryAfter\":{},\"attemptsDamaged\":{},\"plan\":{}}}",
        json_quote(mode.name), json_quote(state_name(mode.state)), json_quote(mode.reason),
        json_quote(mode.file), json_quote(mode.running ? mode.running->digest : mode.digest),
        mode.running ? mode.running->pid : 0, secret.failures,
        secret.wait ? fmt::to_string(secret.wait->count()) : "null", secret.damaged,
        plan ? policy::to_json(*plan) : "null");
}

Result<UniqueFd> Supervisor::open_log(const Mode& mode) const {
    return open_log_to_read(paths_, mode.name);
}

}  // namespace pmos::daemon
