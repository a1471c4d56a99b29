// daemon: the supervisor's verbs on single volumes. Knows nothing of D-Bus.
#include "runtime/daemon/supervisor.h"
#include "runtime/daemon/volume_job.h"
#include "runtime/volume/request.h"

namespace pmos::daemon {

void Supervisor::volume(Mode& mode, VolumeCall call, Answer<Details> answer) {
    if (takes_long(call.verb)) return work_on_volume(mode, std::move(call), std::move(answer));
    const volume::Verb verb = call.verb;
    auto told = std::make_shared<Details>();
    // Never begun there: it is in its mode's queue. Called off, where who asked has left.
    auto work = works_.ask(mode.name, call.owner, verb_name(verb));
    work->yields = volume::judges(verb);
    auto job = [this, &mode, told, work, verb, call = std::move(call)](Done done) mutable {
        if (work->called_off) return done(VolumeWorks::called_off(*work));
        auto then = [this, &mode, told, work, call = std::move(call),
                     done = std::move(done)](Result<>) mutable {
            work->cancel =
                call_volume(ctx_, mode, std::move(call),
                            [told, done = std::move(done)](Result<Details> details) mutable {
                                if (!details) return done(fail(std::move(details.error())));
                                *told = std::move(*details);
                                done({});
                            });
        };
        if (verb != volume::Verb::read_denials) return then({});
        write_private(ctx_, mode, std::move(then));
    };
    auto done = [this, told, work, answer = std::move(answer)](Result<> result) mutable {
        works_.end(work);
        result = VolumeWorks::ended(*work, std::move(result));
        if (!result) return answer(fail(std::move(result.error())));
        answer(std::move(*told));
    };
    // Who only looks changes nothing that is to be told to others. Nor is it told that there is a
    // duress PIN.
    if ((only_looks(verb) || verb == volume::Verb::duress) && !closing_)
        return mode.jobs.add(std::move(job), std::move(done));
    enqueue(mode, verb_name(verb), std::move(job), std::move(done));
}

// It is begun in the mode's queue, so that no lock is half done meanwhile, and goes on beside it.
void Supervisor::work_on_volume(Mode& mode, VolumeCall call, Answer<Details> answer) {
    if (closing_) return answer(fail(Code::cancelled, "pmosd is shutting down"));
    const std::string verb = verb_name(call.verb);
    auto work = works_.ask(mode.name, call.owner, verb);
    work->mounts = mounts(call.verb);
    auto ended = [this, &mode, verb, work, reencrypts = call.verb == volume::Verb::reencrypt,
                  answer = std::move(answer)](Result<Details> told) mutable {
        works_.end(work);
        if (reencrypts && work->begun) after_reencryption(mode, told);
        ctx_.observer.event(told ? verb : verb + "-failed", mode.name,
                            told ? Details{} : Details{{"error", told.error().message()}});
        answer(std::move(told));
    };
    mode.jobs.add(
        [this, &mode, work, call = std::move(call), ended = std::move(ended)](Done begun) mutable {
            if (auto may = works_.begin(work); !may)
                ended(fail(std::move(may.error())));
            else
                work->cancel = call_volume(ctx_, mode, std::move(call), std::move(ended));
            begun({});
        },
        [](Result<>) {});
}

}  // namespace pmos::daemon
