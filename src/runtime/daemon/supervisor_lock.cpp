// daemon: how a mode is locked, as its profile says, and what an earlier pmosd left of it. Never
// leaves a mode open that was to be locked.
#include <algorithm>

#include "runtime/daemon/gather.h"
#include "runtime/daemon/hook_runner.h"
#include "runtime/daemon/lock_record.h"
#include "runtime/daemon/mode_stop.h"
#include "runtime/daemon/private_log.h"
#include "runtime/daemon/supervisor.h"
#include "runtime/daemon/suspend.h"
#include "runtime/daemon/volumes.h"

namespace pmos::daemon {

// A mode that cannot be suspended is evicted: whoever asked for a lock gets one.
void Supervisor::suspend_job(Mode& mode, Done done) {
    auto then = [this, &mode, done = std::move(done)](Result<> suspended) mutable {
        if (suspended) return run_hooks(ctx_, mode, policy::HookPoint::lock, std::move(done));
        ctx_.observer.event("suspend-failed", mode.name, {{"error", suspended.error().message()}});
        evict_job(mode, std::move(done));
    };
    // What is done to its volumes has them mounted, and would hang in them.
    works_.stop(mode.name, [this, &mode, then = std::move(then)](Result<>) mutable {
        if (!cut_short_of(mode).empty())
            return then(fail(Code::failed, "a volume's re-encryption was cut short"));
        write_private(ctx_, mode, [this, &mode, then = std::move(then)](Result<>) mutable {
            suspend_mode(ctx_, mode, std::move(then));
        });
    });
}

// Its volumes stay open, and what is done to them goes on.
void Supervisor::hold_job(Mode& mode, Done done) {
    auto then = [this, &mode, done = std::move(done)](Result<> held) mutable {
        if (held) return run_hooks(ctx_, mode, policy::HookPoint::lock, std::move(done));
        ctx_.observer.event("freeze-failed", mode.name, {{"error", held.error().message()}});
        evict_job(mode, std::move(done));
    };
    write_private(ctx_, mode, [this, &mode, then = std::move(then)](Result<>) mutable {
        hold_mode(ctx_, mode, std::move(then));
    });
}

void Supervisor::lock_job(Mode& mode, Done done) {
    refresh_volume_state(mode);
    const auto strength = lock_strength(mode);
    if (strength == policy::OnLock::evict) return evict_job(mode, std::move(done));
    if (mode.shut() && read_lock_record(paths_, mode.name)) return done({});
    if (strength == policy::OnLock::freeze) return hold_job(mode, std::move(done));
    suspend_job(mode, std::move(done));
}

// What is done to its volumes may have one stand still for a moment, which is not suspended.
void Supervisor::evict_job(Mode& mode, Done done) {
    works_.stop(mode.name, [this, &mode, done = std::move(done)](Result<>) mutable {
        refresh_volume_state(mode);
        evict_now(mode, std::move(done));
    });
}

void Supervisor::evict_now(Mode& mode, Done done) {
    if (mode.held && !mode.suspended)
        if (auto noted = note_eviction(ctx_, mode); !noted)
            ctx_.observer.event("state-not-kept", mode.name, {{"error", noted.error().message()}});
    if (!mode.suspended)
        return let_go(mode, [this, &mode, done = std::move(done)](Result<> let) mutable {
            stop_and_close(mode,
                           [let = std::move(let), done = std::move(done)](Result<> closed) mutable {
                               done(closed ? std::move(let) : std::move(closed));
                           });
        });
    break_off(ctx_, mode, [this, &mode, done = std::move(done)](Result<> broken) mutable {
        stop_and_close(
            mode, [broken = std::move(broken), done = std::move(done)](Result<> closed) mutable {
                done(closed ? std::move(broken) : std::move(closed));
            });
    });
}

void Supervisor::evict(Mode& mode, Done done) {
    works_.make_way(mode.name, kIsLocked);
    enqueue(
        mode, "lock", [this, &mode](Done job_done) { evict_job(mode, std::move(job_done)); },
        std::move(done));
}

// An open volume's key is in the kernel, and no write to its header takes it out of there.
void Supervisor::erase_job(Mode& mode, Done done) {
    if (!mode.plan) return done(mode.disabled_error());
    forget_private(mode);
    disown_fingers(mode);  // first: no kill leaves them to who has the mode next
    evict_job(mode, [this, &mode, done = std::move(done)](Result<> evicted) mutable {
        if (!evicted) return done(std::move(evicted));
        erase_volumes(ctx_, mode, [this, &mode, done = std::move(done)](Result<> erased) mutable {
            forget_private(mode);  // its last words, told meanwhile
            forget_fingers(mode);
            done(std::move(erased));
        });
    });
}

void Supervisor::erase(Mode& mode, Done done) {
    works_.make_way(mode.name, "the mode is being erased");
    enqueue(
        mode, "erase", [this, &mode](Done job_done) { erase_job(mode, std::move(job_done)); },
        std::move(done));
}

// Whoever destroys what opens a mode does not want it open. Told as any lock is; and only where
// something is open behind what is under way, which closes again what it opened.
void Supervisor::keys_ended(Mode& mode) {
    mode.jobs.add([](Done done) { done({}); },
                  [this, &mode](Result<>) {
                      forget_private(mode);
                      // Its prints stay: that they went would tell who looks on what was entered.
                      if (mode.opened.empty()) return disown_fingers(mode);
                      evict(mode, [](Result<>) {});
                      forget_fingers(mode);
                  });
}

// A suspended mode has nothing to end in order: what it would do now could only fail. Of one that
// is held the volumes would be left, open and without a lock.
void Supervisor::stop_job(Mode& mode, std::uint32_t timeout_ms, Done done) {
    refresh_volume_state(mode);
    if (mode.shut()) return evict_job(mode, std::move(done));
    stop_mode(ctx_, mode, timeout_ms, std::move(done));
}

// One whose processes are gone has nothing left to go on.
void Supervisor::open_job(Mode& mode, UniqueFd secret, VolumeWorks::Ticket work, Done done) {
    if (!mode.locked) return done({});
    if (!mode.shut())
        // One that is re-encrypted while it is closed is opened where that has come to.
        return works_.stop(mode.name, [this, &mode, secret = std::move(secret), work,
                                       done = std::move(done)](Result<>) mutable {
            if (work->called_off) return done(VolumeWorks::called_off(*work));
            open_volumes(ctx_, mode, std::move(secret), std::move(done));
        });
    if (mode.alive()) {
        auto may = [work]() -> Result<> {
            if (work->called_off) return VolumeWorks::called_off(*work);
            return {};
        };
        return resume_mode(ctx_, mode, std::move(secret), std::move(may), std::move(done));
    }
    evict_job(mode, [this, &mode, secret = std::move(secret), work,
                     done = std::move(done)](Result<> evicted) mutable {
        if (!evicted) return done(std::move(evicted));
        if (work->called_off) return done(VolumeWorks::called_off(*work));
        open_volumes(ctx_, mode, std::move(secret), std::move(done));
    });
}

// A lock that was cut short is brought to its end; so is one that somebody else had begun.
void Supervisor::finish_lock(Mode& mode) {
    refresh_volume_state(mode);
    const auto record = read_lock_record(paths_, mode.name);
    if (!record && !mode.suspended) return;
    const auto strength = record && !record->evict ? lock_strength(mode) : policy::OnLock::evict;
    // Whatever becomes of that, it is not open until its secret is given or nothing is left of it.
    mode.held = record.has_value();
    refresh_volume_state(mode);
    enqueue(
        mode, "lock-finished",
        [this, &mode, strength](Done done) {
            if (strength == policy::OnLock::freeze) return hold_job(mode, std::move(done));
            if (strength == policy::OnLock::suspend) return suspend_job(mode, std::move(done));
            evict_job(mode, std::move(done));
        },
        [](Result<>) {});
}

void Supervisor::after_lock(Mode& mode) {
    const bool any = std::ranges::any_of(modes_, [](const auto& m) { return m.second->suspended; });
    if (any) return;
    if (auto kept = keep_sleep(paths_, false); !kept)
        ctx_.observer.event("state-not-kept", mode.name, {{"error", kept.error().message()}});
}

// Behind what is under way: it may be a switch that puts this mode behind another.
void Supervisor::lock_due(Mode& mode, bool evict, std::string_view why) {
    ctx_.observer.event("lock-due", mode.name, {{"why", std::string(why)}});
    loop_.soon([this, &mode, evict] {
        if (evict) return this->evict(mode, [](Result<>) {});
        lock(mode, [](Result<>) {});
    });
}

void Supervisor::lock_all_at(policy::LockAt moment, Done done) {
    std::vector<Mode*> due;
    for (auto& [name, mode] : modes_)
        if (session_of(*mode).locks_at(moment) &&
            (mode->alive() || !mode->opened.empty() || works_.would_yield(name)))
            due.push_back(mode.get());
    const auto one = gather(due.size() + 1, std::move(done));
    for (Mode* mode : due) lock(*mode, one);
    one({});
}

void Supervisor::look_at_clocks() {
    for (auto& [name, mode] : modes_) timers_.look(*mode);
}

void Supervisor::screen_locked(bool locked, Done done) {
    if (auto kept = timers_.set_screen(locked); !kept)
        ctx_.observer.event("state-not-kept", "", {{"error", kept.error().message()}});
    ctx_.observer.event(locked ? "screen-locked" : "screen-unlocked", "", {});
    look_at_clocks();
    if (!locked) return done({});
    lock_all_at(policy::LockAt::screen_lock, std::move(done));
}

void Supervisor::before_sleep(Done done) { lock_all_at(policy::LockAt::sleep, std::move(done)); }

}  // namespace pmos::daemon
