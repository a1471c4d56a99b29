// daemon: how the supervisor records a mode (pmosctl policy record). See supervisor.h.
#include "runtime/daemon/mode_stop.h"
#include "runtime/daemon/supervisor.h"

namespace pmos::daemon {

using namespace std::chrono_literals;

namespace {

constexpr std::chrono::milliseconds kShortestRecording = 1s, kLongestRecording = 1h;

}  // namespace

void Supervisor::record(Mode& mode, std::chrono::milliseconds how_long, std::string owner,
                        Answer<Recorded> answer) {
    if (how_long < kShortestRecording || how_long > kLongestRecording)
        return answer(fail(Code::usage, "a recording takes a second to an hour"));
    const auto asked = recorder_.ask(mode, std::move(owner));
    enqueue(
        mode, "record",
        [this, &mode, asked](Done job_done) {
            if (asked->called_off)
                return job_done(fail(Code::cancelled, "the recording of mode '" + mode.name +
                                                          "' was called off before it began"));
            // First: nobody need stop a mode to learn that it is not recorded.
            auto plan = recording_plan(mode);
            if (!plan) return job_done(fail(std::move(plan.error())));
            if (mode.alive())
                return job_done(fail(Code::busy, "mode '" + mode.name + "' runs",
                                     "a recording has a plan of its own",
                                     "stop it with: pmosctl stop " + mode.name));
            start_job(mode, std::move(*plan), std::move(job_done));
        },
        [this, &mode, how_long, asked, answer = std::move(answer)](Result<> started) mutable {
            if (!started) return answer(fail(std::move(started.error())));
            recorder_.begin(
                mode, how_long, asked,
                [this, &mode, recording = mode.running->recording] {
                    end_recording(mode, recording);
                },
                std::move(answer));
            ctx_.observer.mode_changed(mode);
            // The owner may have spoken while it started.
            recheck_recording(mode);
        });
}

// That recording and no other run: until the queue comes to this, the mode may have ended, and have
// been started by somebody else.
void Supervisor::end_recording(Mode& mode, std::shared_ptr<const Recording> recording) {
    enqueue(
        mode, "stop",
        [this, &mode, recording = std::move(recording)](Done job_done) {
            if (!mode.running || mode.running->recording != recording) return job_done({});
            stop_mode(ctx_, mode, 0, std::move(job_done));
        },
        [](Result<>) {});
}

Result<> Supervisor::end_record(const Mode& mode, const std::string& owner) {
    if (recorder_.call_off(mode, owner)) return {};
    return fail(Code::not_found, "no recording of mode '" + mode.name + "' by this caller");
}

// An ordinary mode runs on under the plan it had. A recording lets through what its plan refuses,
// and does so only as long as the policy of now would have it so.
void Supervisor::recheck_recording(Mode& mode) {
    if (!mode.recorded()) return;
    const auto plan = recording_plan(mode);
    if (!plan) return recorder_.refuse(mode, plan.error());
    if ((*plan)->seccomp_answer == mode.running->plan->seccomp_answer) return;
    Error error;
    error.code = Code::cancelled;
    error.what = "the policy changed while mode '" + mode.name + "' was recorded";
    error.why = "what may be let through is no longer the same";
    error.fix = "record it again";
    recorder_.refuse(mode, std::move(error));
}

}  // namespace pmos::daemon
