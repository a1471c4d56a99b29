// daemon: verbs on one volume of a mode, each one worker. Never sees a secret or a header.
#include "runtime/daemon/volume_verbs.h"

#include <algorithm>

#include "base/text.h"
#include "runtime/daemon/suspend.h"
#include "runtime/daemon/volume_job.h"
#include "runtime/volume/request.h"

namespace pmos::daemon {

Result<policy::Volume> find_volume(const Mode& mode, const std::string& name) {
    if (!mode.plan) return mode.disabled_error();
    const auto& volumes = mode.plan->volumes;
    const auto it = std::ranges::find(volumes, name, &policy::Volume::name);
    if (it != volumes.end()) return *it;
    std::string known;
    for (const auto& v : volumes) known += (known.empty() ? "" : ", ") + v.name;
    return fail(Code::not_found, "mode '" + mode.name + "' has no volume '" + printable(name) + "'",
                "", known.empty() ? "it has none" : "it has: " + known);
}

bool takes_long(volume::Verb verb) { return mounts(verb) || verb == volume::Verb::reencrypt; }

bool mounts(volume::Verb verb) {
    return verb == volume::Verb::resize || verb == volume::Verb::wipe_free ||
           verb == volume::Verb::trim;
}

bool only_looks(volume::Verb verb) {
    return verb == volume::Verb::info || verb == volume::Verb::auth_list ||
           verb == volume::Verb::auth_test || verb == volume::Verb::tunnel_key_show;
}

std::function<void()> call_volume(const Context& ctx, Mode& mode, VolumeCall call,
                                  Answer<Details> answer) {
    auto volume = find_volume(mode, call.volume);
    if (!volume) {
        answer(fail(std::move(volume.error())));
        return {};
    }
    const volume::Verb verb = call.verb;
    if (!only_looks(verb) && (mode.held || is_suspended(*volume))) {
        answer(fail(Code::locked,
                    "volume '" + volume->name + "' of mode '" + mode.name + "' is " +
                        (mode.held ? "frozen" : "suspended"),
                    "the mode is locked, and what runs of it waits",
                    "pmosctl unlock " + mode.name + ", or pmosctl lock --evict " + mode.name));
        return {};
    }
    const bool judged = volume::judges(verb) && takes_secret(*volume);
    if (verb == volume::Verb::resize) volume->size = call.size;
    VolumeJob job = make_volume_job(ctx, mode, *volume, verb);
    job.secret = std::move(call.secret);
    job.other = std::move(call.other);
    job.ways = std::move(call.ways);
    job.replaces = call.replaces;
    if (call.peer) job.peers = {*call.peer};
    return run_volume_worker(
        ctx.loop, ctx.paths.libexec, std::move(job),
        [&ctx, &mode, judged, verb, answer = std::move(answer)](Result<VolumeEnd> end) mutable {
            if (judged) tell_attempts(ctx, mode, end);
            if (!end) return answer(fail(std::move(end.error())));
            if (verb == volume::Verb::reencrypt) tell_unsettled(ctx, mode, *end);
            if (end->event) return answer(std::move(end->details));
            answer(fail(worker_died(end->exit_code, judged)));
        });
}

}  // namespace pmos::daemon
