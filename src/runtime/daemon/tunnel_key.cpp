// daemon: the key of a mode's tunnel, on its way from a worker to the network's broker.
#include "runtime/daemon/tunnel_key.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "runtime/daemon/volume_job.h"

namespace pmos::daemon {

Result<policy::Volume> key_volume(const std::string& mode, const policy::LaunchPlan& plan) {
    if (plan.volumes.empty())
        return fail(Code::usage, "mode '" + mode + "' has no volume",
                    "the key of a tunnel has no other place", "give its profile a volume");
    const auto it = std::ranges::find_if(plan.volumes, needs_secret);
    return it != plan.volumes.end() ? *it : plan.volumes.front();
}

void read_tunnel_key(const Context& ctx, Mode& mode, const policy::LaunchPlan& plan,
                     Answer<UniqueFd> answer) {
    auto volume = key_volume(mode.name, plan);
    if (!volume) return answer(fail(std::move(volume.error())));
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return answer(fail(errno_error(errno, "cannot make a pipe")));
    UniqueFd reader(ends[0]);
    VolumeJob job = make_volume_job(ctx, mode, *volume, volume::Verb::tunnel_key_read);
    job.progress = {};
    job.other.reset(ends[1]);
    run_volume_worker(
        ctx.loop, ctx.paths.libexec, std::move(job),
        [reader = std::move(reader), answer = std::move(answer)](Result<VolumeEnd> end) mutable {
            if (!end) return answer(fail(std::move(end.error())));
            if (!end->event) return answer(fail(worker_died(end->exit_code, false)));
            answer(std::move(reader));
        });
}

}  // namespace pmos::daemon
