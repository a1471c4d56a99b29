// daemon: the supervisor's verbs on single volumes. Knows nothing of D-Bus.
#include "runtime/daemon/supervisor.h"
#include "runtime/daemon/volume_job.h"

namespace pmos::daemon {

void Supervisor::volume(Mode& mode, VolumeCall call, Answer<Details> answer) {
    const volume::Verb verb = call.verb;
    auto told = std::make_shared<Details>();
    auto job = [this, &mode, told, call = std::move(call)](Done done) mutable {
        call_volume(ctx_, mode, std::move(call),
                    [told, done = std::move(done)](Result<Details> details) mutable {
                        if (!details) return done(fail(std::move(details.error())));
                        *told = std::move(*details);
                        done({});
                    });
    };
    auto done = [told, answer = std::move(answer)](Result<> result) mutable {
        if (!result) return answer(fail(std::move(result.error())));
        answer(std::move(*told));
    };
    // Who only looks changes nothing that is to be told to others.
    if (verb == volume::Verb::info && !closing_)
        return mode.jobs.add(std::move(job), std::move(done));
    enqueue(mode, verb_name(verb), std::move(job), std::move(done));
}

}  // namespace pmos::daemon
