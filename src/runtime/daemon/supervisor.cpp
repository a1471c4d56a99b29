// daemon: the modes of the phone and every verb on them. Knows nothing of D-Bus.
#include "runtime/daemon/supervisor.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "base/text.h"
#include "runtime/daemon/gather.h"
#include "runtime/daemon/hook_runner.h"
#include "runtime/daemon/lock_record.h"
#include "runtime/daemon/mode_files.h"
#include "runtime/daemon/mode_log.h"
#include "runtime/daemon/mode_start.h"
#include "runtime/daemon/mode_stop.h"
#include "runtime/daemon/prepared.h"
#include "runtime/daemon/strong_unlock.h"
#include "runtime/daemon/volumes.h"

namespace pmos::daemon {

using namespace std::chrono_literals;

std::uint64_t boot_time_usec() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000000U +
           static_cast<std::uint64_t>(now.tv_nsec) / 1000U;
}

Supervisor::Supervisor(EventLoop& loop, const Paths& paths, Observer& observer,
                       unsigned confirm_after_s)
    : loop_(loop),
      paths_(paths),
      launcher_(loop, paths.libexec),
      observer_(observer,
                [this] {
                    audio_.look_soon();
                    notify_.look_soon();
                    panel_.look_soon();
                    look_at_idle();
                }),
      ctx_{loop,      paths,    launcher_,
           observer_, denials_, gate_,
           network_,  pinned_,  [this](Mode& mode) { keys_ended(mode); }},
      denials_(
          ctx_, [this](std::uint32_t uid) { return whose(uid); },
          [this](const Mode& mode) { return about(mode); },
          [this](const std::string& name, const Details& denial) {
              return keeps_private(name, denial);
          }),
      gate_(denials_),
      sessions_(ctx_),
      recorder_(ctx_),
      timers_(ctx_,
              [this](Mode& mode, bool evict, std::string_view why) { lock_due(mode, evict, why); }),
      audio_(
          loop, paths.audio(), modes_, [this](const audio::Users& users) { on_sound(users); },
          [this](std::string_view why) {
              ctx_.observer.event("sound-lost", "", {{"why", std::string(why)}});
          }),
      notify_(loop, paths.notify(), modes_,
              [this](const NotifyLink::Uses& uses) { on_notifications(uses); }),
      panel_(
          loop, paths.panel(), [this](const Mode* front) { return describe_for_panel(front); },
          panel_asks(), [this] { on_another_panel(); },
          [this](std::string_view why) {
              ctx_.observer.event("panel-lost", "", {{"why", std::string(why)}});
          }),
      network_(loop, paths.network(),
               [this](const std::string& mode, const std::string& why) {
                   ctx_.observer.event("network-lost", mode, {{"why", why}});
               }),
      switchboard_(
          ctx_, {&gate_, &panel_, &audio_},
          [this] {
              look_at_clocks();
              tell_modem();
              audio_.set_front(switchboard_.foreground());
              panel_.set_front(switchboard_.foreground());
              notify_.look_soon();
              look_at_idle();
          },
          [this] { bring_foreground_back(); },
          [this](Mode& mode, Done done) {
              start(mode, [done = std::move(done)](Result<bool> started) mutable {
                  if (!started) return done(fail(std::move(started.error())));
                  done({});
              });
          }),
      works_(loop),
      source_(loop, paths),
      policy_jobs_(loop),
      confirm_after_(confirm_after_s) {
    network_.on_refused([this](const std::string& name, const NetworkRefusal& refusal) {
        if (const auto found = modes_.find(name); found != modes_.end())
            denials_.take(*found->second, refusal);
    });
    network_.on_spent([this](const std::string& mode, std::uint64_t volume) {
        ctx_.observer.event("network-spent", mode, {{"volume", std::to_string(volume)}});
    });
}

Result<Mode*> Supervisor::find(std::string_view name) {
    const auto it = modes_.find(name);
    if (it != modes_.end()) return it->second.get();
    std::string known;
    for (const auto& [mode_name, mode] : modes_) known += (known.empty() ? "" : ", ") + mode_name;
    return fail(Code::unknown_mode, fmt::format("no mode '{}'", printable(name)), "",
                known.empty() ? (bundle_ ? "see: pmosctl policy status"
                                         : "no profile was found in '" + paths_.profiles + "'")
                              : "this phone has: " + known);
}

std::string Supervisor::foreground() const {
    return switchboard_.foreground() != nullptr ? switchboard_.foreground()->name : "";
}

void Supervisor::enqueue(Mode& mode, std::string verb, JobQueue::Job job, Done done) {
    if (closing_) return done(fail(Code::cancelled, "pmosd is shutting down"));
    mode.jobs.add(std::move(job), [this, &mode, verb = std::move(verb),
                                   done = std::move(done)](Result<> result) mutable {
        after_job(mode, verb, result);
        done(std::move(result));
        settle_soon(mode);
    });
}

// Made ahead for the next start, but behind the answer to this call; a fault in it is told by that
// start, which needs it.
void Supervisor::settle_soon(Mode& mode) {
    loop_.soon([this, &mode] {
        if (mode.jobs.idle() && !closing_) static_cast<void>(settle_prepared(ctx_, mode));
    });
}

void Supervisor::after_job(Mode& mode, const std::string& verb, const Result<>& result) {
    refresh_volume_state(mode);
    if (!mode.recorded()) recorder_.ended(mode);
    // It ran on with the plan it had; now nothing can be started any more.
    if (!mode.plan && !mode.alive()) {
        mode.state = State::disabled;
        mode.reason = mode.broken;
    }
    // What a finger was to do has been done, or cannot be any more.
    if (!mode.held && mode.leave_reader) mode.leave_reader();
    // Nobody is in front of a lock.
    const bool leaves = !mode.alive() || mode.shut();
    const bool left_front = leaves && mode.foreground;
    if (leaves) switchboard_.left(mode);
    after_lock(mode);
    timers_.look(mode);
    tell_modem();
    switchboard_.settle_call(mode);
    if (left_front) bring_foreground_back();
    ctx_.observer.mode_changed(mode);
    watch_trial();
    if (result) {
        ctx_.observer.event(verb, mode.name, {{"state", std::string(state_name(mode.state))}});
        return;
    }
    Details details{{"error", result.error().message()}, {"step", result.error().step}};
    for (const auto& undo : result.error().undo_failures)
        details.emplace_back("undo_failure", undo.message());
    ctx_.observer.event(verb + "-failed", mode.name, details);
}

void Supervisor::provision(Mode& mode, UniqueFd secret, std::string owner, Done done) {
    auto work = works_.ask(mode.name, std::move(owner), "provision");
    enqueue(
        mode, "provision",
        [this, &mode, work, secret = std::move(secret)](Done job_done) mutable {
            if (work->called_off) return job_done(VolumeWorks::called_off(*work));
            work->cancel = [&mode] {
                if (mode.leave_off) mode.leave_off();
            };
            if (!mode.plan) return job_done(mode.disabled_error());
            disown_fingers(mode);
            provision_volumes(ctx_, mode, std::move(secret), std::move(job_done));
        },
        [this, work, done = std::move(done)](Result<> result) mutable {
            works_.end(work);
            done(std::move(result));
        });
}

namespace {

bool overlap(const std::vector<policy::IdMap>& left, const std::vector<policy::IdMap>& right) {
    return std::ranges::any_of(left, [&](const policy::IdMap& a) {
        return std::ranges::any_of(right, [&](const policy::IdMap& b) {
            return a.outside < b.outside + std::uint64_t{b.count} &&
                   b.outside < a.outside + std::uint64_t{a.count};
        });
    });
}

bool overlap(const std::vector<policy::Volume>& left, const std::vector<policy::Volume>& right) {
    return std::ranges::any_of(left, [&](const policy::Volume& a) {
        return std::ranges::count(right, a.source, &policy::Volume::source) != 0;
    });
}

}  // namespace

// The profiles are disjoint, but another mode may run under what its profile was before.
Result<> Supervisor::shares_nothing(const Mode& mode) const {
    for (const auto& [name, other] : modes_) {
        if (other.get() == &mode || !other->alive() || !mode.plan) continue;
        const auto& theirs = other->running->plan;
        if (theirs && !overlap(theirs->uid_map, mode.plan->uid_map) &&
            !overlap(theirs->gid_map, mode.plan->gid_map) &&
            !overlap(theirs->volumes, mode.plan->volumes))
            continue;
        return fail(Code::busy,
                    "mode '" + mode.name + "' may share ids or a volume with mode '" + name + "'",
                    "that one runs under a profile that has changed since",
                    "stop or restart it with: pmosctl restart " + name);
    }
    return {};
}

void Supervisor::start_job(Mode& mode, std::shared_ptr<const policy::LaunchPlan> recording,
                           Done done) {
    if (mode.alive() && !mode.shut()) return done({});
    if (mode.alive()) return done(mode.locked_error());
    // A volume that is mounted meanwhile could not be checked before the start.
    works_.stop_mounted(mode.name, [this, &mode, recording = std::move(recording),
                                    done = std::move(done)](Result<>) mutable {
        start_now(mode, std::move(recording), std::move(done));
    });
}

void Supervisor::start_now(Mode& mode, std::shared_ptr<const policy::LaunchPlan> recording,
                           Done done) {
    const auto may = [this, &mode]() -> Result<> {
        if (closing_) return fail(Code::cancelled, "pmosd is shutting down");
        return shares_nothing(mode);
    };
    mode.image_fault = false;
    start_mode(
        ctx_, mode, recording, may, [this](Mode& ended) { on_exit(ended); },
        [this, &mode, recording, done = std::move(done)](Result<> result) mutable {
            if (!result && mode.image_fault && fall_back(mode, result.error().message()))
                return start_now(mode, std::move(recording), std::move(done));
            if (result) watch_log(mode);
            done(std::move(result));
        });
}

void Supervisor::unlock(Mode& mode, UniqueFd secret, bool start, std::string owner, Done done) {
    auto work = works_.ask(mode.name, std::move(owner), "unlock");
    work->yields = true;
    enqueue(
        mode, "unlock",
        [this, &mode, work, secret = std::move(secret), start](Done job_done) mutable {
            if (work->called_off) return job_done(VolumeWorks::called_off(*work));
            work->cancel = [&mode] {
                if (mode.leave_off) mode.leave_off();
            };
            if (!mode.plan) return job_done(mode.disabled_error());
            refresh_volume_state(mode);
            const bool was_locked = mode.locked, strong = secret_opens(mode);
            // An open volume needs no secret, and one that is offered proves nothing: not read.
            open_job(mode, std::move(secret), work,
                     [this, &mode, work, start, was_locked, strong,
                      job_done = std::move(job_done)](Result<> opened) mutable {
                         if (!opened) return job_done(std::move(opened));
                         auto then = [this, &mode, work, start,
                                      job_done = std::move(job_done)](Result<> hooks) mutable {
                             if (!hooks || !start) return job_done(std::move(hooks));
                             // It would run until the lock has its turn.
                             if (!work->why.empty())
                                 return job_done(VolumeWorks::called_off(*work));
                             start_job(mode, nullptr, std::move(job_done));
                         };
                         if (!was_locked) return then({});
                         timers_.used(mode);
                         if (strong) note_strong_unlock(mode);
                         static_cast<void>(remove_lock_record(paths_, mode.name));
                         run_hooks(ctx_, mode, policy::HookPoint::unlock, std::move(then));
                     });
        },
        [this, work, done = std::move(done)](Result<> result) mutable {
            works_.end(work);
            done(VolumeWorks::ended(*work, std::move(result)));
        });
}

void Supervisor::stop_and_close(Mode& mode, Done done) {
    stop_mode(ctx_, mode, 0, [this, &mode, done = std::move(done)](Result<> stopped) mutable {
        // The root's tree and the namespaces go with the key.
        release_prepared(
            ctx_, std::exchange(mode.prepared, {}),
            [this, &mode, stopped = std::move(stopped), done = std::move(done)](Result<>) mutable {
                close_job(mode, std::move(stopped), std::move(done));
            });
    });
}

void Supervisor::close_job(Mode& mode, Result<> stopped, Done done) {
    auto then = [this, &mode, stopped = std::move(stopped),
                 done = std::move(done)](Result<> closed) mutable {
        static_cast<void>(remove_log(paths_, mode.name));
        if (!stopped) return done(std::move(stopped));
        static_cast<void>(remove_plan(paths_, mode.name));
        if (!closed) return done(std::move(closed));
        if (auto over = remove_lock_record(paths_, mode.name); !over) return done(std::move(over));
        mode.held = false;
        static_cast<void>(remove_strong_unlock(paths_, mode.name));
        run_hooks(ctx_, mode, policy::HookPoint::lock, std::move(done));
    };
    works_.stop(mode.name, [this, &mode, then = std::move(then)](Result<>) mutable {
        write_private(ctx_, mode, [this, &mode, then = std::move(then)](Result<>) mutable {
            close_volumes(ctx_, mode, std::move(then));
        });
    });
}

void Supervisor::lock(Mode& mode, Done done) {
    works_.make_way(mode.name, kIsLocked);
    enqueue(
        mode, "lock", [this, &mode](Done job_done) { lock_job(mode, std::move(job_done)); },
        std::move(done));
}

void Supervisor::start(Mode& mode, Answer<bool> answer) {
    auto started = std::make_shared<bool>(false);
    enqueue(
        mode, "start",
        [this, &mode, started](Done job_done) {
            *started = !mode.alive();
            start_job(mode, nullptr, std::move(job_done));
        },
        [started, answer = std::move(answer)](Result<> result) mutable {
            if (!result) return answer(fail(std::move(result.error())));
            answer(*started);
        });
}

void Supervisor::stop(Mode& mode, std::uint32_t timeout_ms, Done done) {
    enqueue(
        mode, "stop",
        [this, &mode, timeout_ms](Done job_done) {
            stop_job(mode, timeout_ms, std::move(job_done));
        },
        std::move(done));
}

void Supervisor::restart(Mode& mode, Done done) {
    enqueue(
        mode, "restart",
        [this, &mode](Done job_done) {
            stop_job(mode, 0,
                     [this, &mode, job_done = std::move(job_done)](Result<> stopped) mutable {
                         if (!stopped) return job_done(std::move(stopped));
                         tell_modem();  // what it spoke ends
                         static_cast<void>(settle_prepared(ctx_, mode));
                         start_job(mode, nullptr, std::move(job_done));
                     });
        },
        std::move(done));
}

void Supervisor::drop_owners(const std::function<bool(const std::string&)>& gone) {
    sessions_.drop_owners(gone);
    recorder_.drop_owners(gone);
    works_.drop_owners(gone);
}

void Supervisor::switch_to(std::string_view name, Done done) {
    if (closing_) return done(fail(Code::cancelled, "pmosd is shutting down"));
    if (name.empty()) return switchboard_.switch_to(nullptr, std::move(done));
    auto mode = find(name);
    if (!mode) return done(fail(std::move(mode.error())));
    switchboard_.switch_to(*mode, std::move(done));
}

// A mode that ends while it is in front leaves the panel to the one that was there before.
void Supervisor::bring_foreground_back() {
    if (closing_ || switchboard_.busy() || switchboard_.foreground() != nullptr) return;
    Mode* const before = switchboard_.previous();
    if (before == nullptr) return;
    switchboard_.switch_to(before, [](Result<>) {});
}

void Supervisor::on_exit(Mode& mode) {
    enqueue(
        mode, "exited",
        [this, &mode](Done job_done) {
            const bool unready = is_unready(mode);
            collect_mode(
                ctx_, mode,
                [this, &mode, unready, job_done = std::move(job_done)](Result<> collected) mutable {
                    refresh_volume_state(mode);
                    // Killed while it was locked so: what it left can only be closed.
                    if (!mode.alive() && mode.shut()) return evict_job(mode, std::move(job_done));
                    if (collected && unready && mode.state == State::failed &&
                        fall_back(mode, mode.reason))
                        return start_job(mode, nullptr, std::move(job_done));
                    job_done(std::move(collected));
                });
        },
        [](Result<>) {});
}

void Supervisor::stop_all(Done done) {
    const auto one = gather(modes_.size() + 1, std::move(done));
    for (auto& [name, mode] : modes_) {
        Mode& m = *mode;
        works_.make_way(name, kIsLocked);
        m.jobs.add([this, &m](Done job_done) { evict_job(m, std::move(job_done)); },
                   [this, &m, one](Result<> result) {
                       after_job(m, "lock", result);
                       one(std::move(result));
                       settle_soon(m);
                   });
    }
    one({});
}

void Supervisor::shut_down(Done done) {
    closing_ = true;
    source_.close();  // a worker that reads images may take longer than a stop may
    stop_all(std::move(done));
}

}  // namespace pmos::daemon
