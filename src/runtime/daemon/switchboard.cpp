// daemon: who is in the foreground. Exactly one mode is, or none; never two.
#include "runtime/daemon/switchboard.h"

#include "runtime/daemon/freezer.h"
#include "runtime/daemon/hook_runner.h"
#include "runtime/daemon/mode_files.h"

namespace pmos::daemon {

namespace {

bool freezes(const Mode& mode) {
    return mode.running && mode.running->session().background == policy::Background::freeze;
}

}  // namespace

void Switchboard::switch_to(Mode* target, Done done) {
    queue_.add(
        [this, target](Done job_done) {
            if (target == nullptr) previous_ = nullptr;
            if (target == foreground_ && (target == nullptr || target->state == State::running))
                return job_done({});
            run_sequence(ctx_.loop, "switch", steps(target), std::move(job_done));
        },
        std::move(done));
}

// Deny and revoke come between freeze and front as soon as a class of device is arbitrated.
std::vector<SequenceStep> Switchboard::steps(Mode* target) {
    Mode* outgoing = foreground_ != target ? foreground_ : nullptr;
    std::vector<SequenceStep> steps;
    if (target != nullptr)
        steps.push_back({"start_incoming",
                         [this, target](Done done) { ensure_started_(*target, std::move(done)); }});
    if (outgoing != nullptr) {
        steps.push_back({"switch_out_hooks", [this, outgoing](Done done) {
                             run_hooks(ctx_, *outgoing, policy::HookPoint::switch_out,
                                       std::move(done));
                         }});
        steps.push_back(
            {"freeze_outgoing",
             [this, outgoing](Done done) { freeze_outgoing(*outgoing, std::move(done)); },
             [this, outgoing](Done done) { thaw(*outgoing, std::move(done)); }});
    }
    if (target != nullptr)
        steps.push_back({"thaw_incoming",
                         [this, target](Done done) { thaw(*target, std::move(done)); },
                         [this, target](Done done) { freeze_outgoing(*target, std::move(done)); }});
    steps.push_back({"foreground",
                     [this, target](Done done) {
                         // It may have ended while the outgoing one froze.
                         if (target != nullptr && target->state != State::running)
                             return done(fail(Code::not_running,
                                              "mode '" + target->name + "' ended during the switch",
                                              target->reason));
                         set_foreground(target);
                         done({});
                     },
                     [this, outgoing](Done done) {
                         // Nobody is in front of a lock, that it got meanwhile.
                         const bool back =
                             outgoing != nullptr && outgoing->alive() && !outgoing->shut();
                         set_foreground(back ? outgoing : nullptr);
                         done({});
                     }});
    if (target != nullptr)
        steps.push_back({"switch_in_hooks", [this, target](Done done) {
                             run_hooks(ctx_, *target, policy::HookPoint::switch_in,
                                       std::move(done));
                         }});
    return steps;
}

// Through the mode's own queue, so that it cannot meet a stop or a start half-way.
void Switchboard::freeze_outgoing(Mode& outgoing, Done done) {
    outgoing.jobs.add(
        [this, &outgoing](Done job_done) {
            if (outgoing.state != State::running || !freezes(outgoing)) return job_done({});
            freeze_mode(ctx_, outgoing, std::move(job_done));
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

void Switchboard::set_foreground(Mode* mode) {
    if (mode == foreground_) return;
    Mode* const before = foreground_;
    foreground_ = mode;
    previous_ = mode != nullptr ? before : nullptr;
    if (before != nullptr) {
        before->foreground = false;
        ctx_.observer.mode_changed(*before);
    }
    if (mode != nullptr) {
        mode->foreground = true;
        ctx_.observer.mode_changed(*mode);
    }
    // Only a restarted pmosd reads it: a full /run must not keep a mode in front.
    if (auto kept = write_foreground(ctx_.paths, mode != nullptr ? mode->name : ""); !kept)
        ctx_.observer.event("state-not-kept", "", {{"error", kept.error().message()}});
    ctx_.observer.foreground_changed();
    front_changed_();
    ctx_.observer.event("switch", mode != nullptr ? mode->name : "",
                        {{"from", before != nullptr ? before->name : ""}});
}

void Switchboard::left(Mode& mode) {
    if (previous_ == &mode) previous_ = nullptr;
    if (foreground_ != &mode) return;
    Mode* const before = previous_;
    set_foreground(nullptr);
    previous_ = before;
}

void Switchboard::adopt(Mode& mode) { set_foreground(&mode); }

}  // namespace pmos::daemon
