// daemon: who is in the foreground. Exactly one mode is, or none; never two.
#include "runtime/daemon/switchboard.h"

#include <algorithm>
#include <ranges>
#include <utility>

#include "runtime/daemon/freezer.h"
#include "runtime/daemon/hook_runner.h"
#include "runtime/daemon/mode_files.h"
#include "runtime/daemon/mode_start.h"
#include "runtime/daemon/throttle.h"
#include "runtime/daemon/volumes.h"

namespace pmos::daemon {

void Switchboard::switch_to(Mode* target, Done done) {
    if (!busy_) {
        Wanted wanted{target, {}};
        wanted.done.push_back(std::move(done));
        return begin(std::move(wanted));
    }
    Wanted overtaken;
    if (next_ && next_->target != target)
        overtaken = std::move(*std::exchange(next_, std::nullopt));
    if (!next_) next_.emplace(target, std::vector<Done>{});
    next_->done.push_back(std::move(done));
    for (auto& answer : overtaken.done)
        answer(fail(Code::cancelled, "another switch was asked for meanwhile", "",
                    "see who is in front with: pmosctl status"));
}

void Switchboard::begin(Wanted wanted) {
    busy_ = true;
    Mode* const target = wanted.target;
    auto then = [this, wanted = std::move(wanted)](Result<> result) mutable {
        ended(std::move(wanted), std::move(result));
    };
    if (target == nullptr && !std::exchange(before_, {}).empty()) remember();
    if (target == foreground_ && (target == nullptr || target->state == State::running))
        return ctx_.loop.soon([then = std::move(then)]() mutable { then({}); });
    leaving_ = foreground_ != target ? foreground_ : nullptr;
    for (Mode* mode : {leaving_, target})
        if (mode != nullptr) unsettled_.insert(mode);
    last_ = std::make_shared<std::vector<StepTime>>();
    // How its start goes is told by that itself.
    const auto tell = [this, target](const char* step, std::uint32_t permille) {
        if (target != nullptr && target->state != State::starting)
            ctx_.observer.progress(*target, "switch", permille, step);
    };
    run_sequence(ctx_.loop, "switch", steps(target), std::move(then), last_, tell);
}

void Switchboard::ended(Wanted wanted, Result<> result) {
    busy_ = false;
    if (Mode* const left = std::exchange(leaving_, nullptr)) left_running(*left);
    if (!result) {
        // Who does not come back is not tried again.
        if (foreground_ == nullptr && wanted.target != nullptr) forget(*wanted.target);
        ctx_.observer.event("switch-failed", wanted.target != nullptr ? wanted.target->name : "",
                            {{"error", result.error().message()}});
    }
    if (auto next = std::exchange(next_, std::nullopt)) begin(std::move(*next));
    for (auto& done : wanted.done) done(result);
    tell_front();
    if (busy_) return;
    for (Mode* mode : std::exchange(unsettled_, {})) settle_call(*mode);
    if (foreground_ == nullptr) left_empty_();
}

// Deny, freeze, revoke, repaint, grant, thaw: at no moment have two modes a device in hand.
std::vector<SequenceStep> Switchboard::steps(Mode* target) {
    Mode* const outgoing = foreground_ != target ? foreground_ : nullptr;
    std::vector<SequenceStep> steps;
    if (target != nullptr)
        steps.push_back({"check_incoming", [this, target](Done done) { done(may_come(*target)); }});
    if (outgoing != nullptr) add_leaving(steps, *outgoing);
    for (DeviceOwner* owner : owners_)
        steps.push_back({"repaint", [owner](Done done) { owner->repaint(std::move(done)); }});
    if (target != nullptr) add_coming(steps, *target);
    if (outgoing != nullptr && !outgoing->freezes() && has_foreground_devices(*outgoing))
        steps.push_back({"let_run_on",
                         [this, outgoing](Done done) { let_run(*outgoing, std::move(done)); },
                         [this, outgoing](Done done) { freeze(*outgoing, std::move(done)); }});
    steps.push_back(foreground_step(outgoing, target));
    if (target != nullptr)
        steps.push_back({"switch_in_hooks", [this, target](Done done) {
                             run_hooks(ctx_, *target, policy::HookPoint::switch_in,
                                       std::move(done));
                         }});
    // Who is in front already, and starts again there, stays whatever fails; if it still is.
    if (target != nullptr && target == foreground_)
        for (auto& step : steps)
            if (step.undo)
                step.undo = [this, target, undo = std::move(step.undo)](Done done) mutable {
                    if (foreground_ == target) return done({});
                    undo(std::move(done));
                };
    return steps;
}

// Before anything is done to who is in front.
Result<> Switchboard::may_come(Mode& target) const {
    refresh_volume_state(target);
    if (!target.alive()) return may_start(target);
    if (target.shut()) return target.locked_error();
    return {};
}

// One that is to run on stands still for as long as its devices are taken from it. Who is locked or
// has ended meanwhile gets nothing back: it is not in front any more.
void Switchboard::add_leaving(std::vector<SequenceStep>& steps, Mode& outgoing) {
    const auto in_front = [this, &outgoing] { return foreground_ == &outgoing; };
    steps.push_back({"switch_out_hooks", [this, &outgoing](Done done) {
                         run_hooks(ctx_, outgoing, policy::HookPoint::switch_out, std::move(done));
                     }});
    steps.push_back({"deny", [this, &outgoing](Done done) { done(ctx_.gate.deny(outgoing)); },
                     [this, &outgoing, in_front](Done done) {
                         done(in_front() ? ctx_.gate.allow(outgoing) : Result<>());
                     }});
    if (outgoing.freezes() || has_foreground_devices(outgoing))
        steps.push_back({"freeze_outgoing",
                         [this, &outgoing](Done done) { freeze(outgoing, std::move(done)); },
                         [this, &outgoing](Done done) { let_run(outgoing, std::move(done)); }});
    if (is_throttled_behind(outgoing))
        steps.push_back({"throttle_outgoing",
                         [this, &outgoing](Done done) { done(throttle_mode(ctx_, outgoing)); },
                         [this, &outgoing, in_front](Done done) {
                             done(in_front() ? unthrottle_mode(ctx_, outgoing) : Result<>());
                         }});
    for (DeviceOwner* owner : owners_)
        steps.push_back(
            {"revoke", [owner, &outgoing](Done done) { owner->revoke(outgoing, std::move(done)); },
             [owner, &outgoing, in_front](Done done) {
                 if (!in_front()) return done({});
                 owner->grant(outgoing, std::move(done));
             }});
}

// What starts for the switch starts now, when the devices are nobody's, and finds them open from
// its first instruction on.
void Switchboard::add_coming(std::vector<SequenceStep>& steps, Mode& target) {
    steps.push_back({"start_incoming",
                     [this, &target](Done done) { start(target, std::move(done)); },
                     [this, &target](Done done) {
                         auto shut = ctx_.gate.shut(target);
                         if (auto slowed = throttle_mode(ctx_, target); shut)
                             shut = std::move(slowed);
                         if (!shut || target.freezes()) return done(std::move(shut));
                         let_run(target, std::move(done));
                     }});
    for (auto owner = owners_.rbegin(); owner != owners_.rend(); ++owner)
        steps.push_back(
            {"grant",
             [owner = *owner, &target](Done done) { owner->grant(target, std::move(done)); },
             [owner = *owner, &target](Done done) { owner->revoke(target, std::move(done)); }});
    if (is_throttled_behind(target))
        steps.push_back({"unthrottle_incoming",
                         [this, &target](Done done) { done(unthrottle_mode(ctx_, target)); },
                         [this, &target](Done done) { done(throttle_mode(ctx_, target)); }});
    steps.push_back({"thaw_incoming", [this, &target](Done done) { thaw(target, std::move(done)); },
                     [this, &target](Done done) { freeze(target, std::move(done)); }});
}

// Of one that runs, and that nothing is done to, there is nothing to look at and nothing to tell.
void Switchboard::start(Mode& target, Done done) {
    if (target.alive() && !target.shut() && target.jobs.idle()) return done({});
    if (!target.alive()) target.devices_open = true;
    ensure_started_(target, [this, &target, done = std::move(done)](Result<> started) mutable {
        // It may run for all that, locked meanwhile, and is not to find them open one day.
        if (!started && foreground_ != &target)
            tell_failure(ctx_.observer, "devices-unsettled", target.name, ctx_.gate.shut(target));
        done(std::move(started));
    });
}

SequenceStep Switchboard::foreground_step(Mode* outgoing, Mode* target) {
    return {"foreground",
            [this, target](Done done) {
                // It may have ended while the outgoing one froze.
                if (target != nullptr && target->state != State::running)
                    return done(fail(Code::not_running,
                                     "mode '" + target->name + "' ended during the switch",
                                     target->reason));
                set_foreground(target);
                done({});
            },
            [this, outgoing, target](Done done) {
                // Nobody is in front of a lock, that it got meanwhile.
                const bool back = outgoing != nullptr && outgoing->alive() && !outgoing->shut();
                set_foreground(back ? outgoing : nullptr);
                if (target != nullptr) forget(*target);
                done({});
            }};
}

// Through the mode's own queue, so that it cannot meet a stop or a start half-way.
void Switchboard::freeze(Mode& mode, Done done) {
    mode.jobs.add(
        [this, &mode](Done job_done) {
            if (mode.state != State::running) return job_done({});
            freeze_mode(ctx_, mode, Late::leave, std::move(job_done));
        },
        std::move(done));
}

void Switchboard::thaw(Mode& mode, Done done) {
    mode.jobs.add(
        [this, &mode](Done job_done) {
            if (mode.state != State::frozen) return job_done({});
            // It was locked since the switch began.
            if (mode.shut()) return job_done(mode.locked_error());
            job_done(thaw_mode(ctx_, mode));
        },
        std::move(done));
}

// One that was locked meanwhile stays as it is.
void Switchboard::let_run(Mode& mode, Done done) {
    mode.jobs.add(
        [this, &mode](Done job_done) {
            if (mode.state != State::frozen || mode.shut()) return job_done({});
            job_done(thaw_mode(ctx_, mode));
        },
        std::move(done));
}

// One that would stand still behind another, and had a call when it left.
void Switchboard::left_running(Mode& mode) {
    if (mode.alive() && foreground_ != &mode && mode.state == State::running &&
        mode.running->session().background == policy::Background::freeze)
        mark_for_call(mode, true);
}

void Switchboard::mark_for_call(Mode& mode, bool for_call) {
    if (std::exchange(mode.for_call, for_call) == for_call) return;
    tell_failure(ctx_.observer, "state-not-kept", mode.name,
                 write_for_call(ctx_.paths, mode.name, for_call), Audience::bus);
}

void Switchboard::settle_call(Mode& mode) {
    if (busy_) {
        unsettled_.insert(&mode);
        return;
    }
    if (!mode.alive() || foreground_ == &mode) return mark_for_call(mode, false);
    const bool wakes = mode.goes_on_for_call() && mode.state == State::frozen;
    const bool ends = mode.for_call && !mode.goes_on_for_call();
    if (mode.shut() || (!wakes && !ends)) return;
    mode.jobs.add([this, &mode](Done done) { settle_call_now(mode, std::move(done)); },
                  [this, &mode](Result<> result) {
                      tell_failure(ctx_.observer, "call-unsettled", mode.name, result,
                                   Audience::bus);
                  });
}

// What is for the foreground stays shut to it.
void Switchboard::settle_call_now(Mode& mode, Done done) {
    if (busy_) unsettled_.insert(&mode);
    if (busy_ || !mode.alive() || mode.shut() || foreground_ == &mode) return done({});
    if (mode.goes_on_for_call() && mode.state == State::frozen) {
        mark_for_call(mode, true);
        ctx_.observer.event("thawed-for-call", mode.name, {}, Audience::bus);
        return done(thaw_mode(ctx_, mode));
    }
    if (!mode.for_call || mode.goes_on_for_call()) return done({});
    if (mode.state != State::running) {
        mark_for_call(mode, false);
        return done({});
    }
    freeze_mode(ctx_, mode, Late::leave, [this, &mode, done = std::move(done)](Result<> r) mutable {
        if (r) mark_for_call(mode, false);
        done(std::move(r));
    });
}

void Switchboard::set_foreground(Mode* mode) {
    if (mode == foreground_) return;
    Mode* const before = foreground_;
    foreground_ = mode;
    if (mode != nullptr) {
        std::erase(before_, mode);
        if (before != nullptr) before_.push_back(before);
    }
    if (before != nullptr) {
        before->foreground = false;
        ctx_.observer.mode_changed(*before);
    }
    if (mode != nullptr) {
        mode->foreground = true;
        ctx_.observer.mode_changed(*mode);
    }
    remember();
    ctx_.observer.foreground_changed();
    front_changed_();
    untold_.emplace_back(before != nullptr ? before->name : "", mode != nullptr ? mode->name : "");
    tell_later_ = ctx_.loop.when_idle([this] { tell_front(); });
    if (!tell_later_) tell_front();  // out of memory for the source
}

// Who asked for the switch is answered first: it does not wait for who only hears of it.
void Switchboard::tell_front() {
    tell_later_.reset();
    for (const auto& [from, to] : std::exchange(untold_, {}))
        ctx_.observer.event("switch", to, {{"from", from}});
}

// Only a restarted pmosd reads it: a full /run must not keep a mode in front, nor bring another.
void Switchboard::remember() {
    Foreground kept{foreground_ != nullptr ? foreground_->name : "", {}};
    for (const Mode* mode : before_) kept.before.push_back(mode->name);
    if (auto written = write_foreground(ctx_.paths, kept); !written) {
        remove_foreground(ctx_.paths);
        ctx_.observer.event("state-not-kept", "", {{"error", written.error().message()}});
    }
}

void Switchboard::forget(const Mode& mode) {
    if (std::erase(before_, &mode) != 0) remember();
}

Mode* Switchboard::previous() const {
    const auto last_first = std::views::reverse(before_);
    const auto found = std::ranges::find_if(
        last_first, [](const Mode* mode) { return mode->alive() && !mode->shut(); });
    return found == last_first.end() ? nullptr : *found;
}

void Switchboard::left(Mode& mode) {
    forget(mode);
    if (foreground_ != &mode) return;
    set_foreground(nullptr);
    tell_front();
    mode.devices_open = false;
    if (!mode.alive()) return;
    // It goes on in the background once it is unlocked.
    tell_failure(ctx_.observer, "devices-unsettled", mode.name, ctx_.gate.shut(mode));
    tell_failure(ctx_.observer, "throttle-failed", mode.name, throttle_mode(ctx_, mode));
}

void Switchboard::adopt(Mode* front, std::vector<Mode*> before) {
    before_ = std::move(before);
    set_foreground(front);
}

}  // namespace pmos::daemon
