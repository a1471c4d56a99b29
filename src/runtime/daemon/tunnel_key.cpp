// daemon: the key of a mode's tunnel, on its way from a worker to the network's broker, and when it
// goes. See tunnel_key.h.
#include "runtime/daemon/tunnel_key.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "policy/plan_image.h"
#include "runtime/daemon/network_link.h"
#include "runtime/daemon/volume_job.h"
#include "runtime/launch/client.h"

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
    for (const auto& peer : plan.network.tunnel.peers)
        if (peer.preshared) job.peers.push_back(peer.public_key);
    job.other.reset(ends[1]);
    run_volume_worker(
        ctx.loop, ctx.paths.libexec, std::move(job),
        [reader = std::move(reader), answer = std::move(answer)](Result<VolumeEnd> end) mutable {
            if (!end) return answer(fail(std::move(end.error())));
            if (!end->event) return answer(fail(worker_died(end->exit_code, false)));
            answer(std::move(reader));
        });
}

Result<RunningNetwork> network_of(const Mode& mode) {
    const auto& running = *mode.running;
    if (!running.plan)
        return fail(Code::not_found, "the plan that it runs under cannot be read any more");
    RunningNetwork made;
    PMOS_ASSIGN(made.net_ns, net_ns_of(running));
    PMOS_ASSIGN(made.plan, launch::seal_plan(policy::encode(*running.plan)));
    return made;
}

bool has_tunnel(const Mode& mode) {
    return mode.alive() && mode.running->plan &&
           mode.running->plan->network.zone == policy::Zone::tunnel;
}

void shut_tunnel(const Context& ctx, Mode& mode, Done done) {
    if (!has_tunnel(mode)) return done({});
    auto net_ns = net_ns_of(*mode.running);
    if (!net_ns) return done(fail(std::move(net_ns.error())));
    ctx.network.shut(mode.name, std::move(*net_ns), std::move(done));
}

void reopen_tunnel(const Context& ctx, Mode& mode, Done done) {
    if (!has_tunnel(mode)) return done({});
    auto network = network_of(mode);
    if (!network) return done(fail(std::move(network.error())));
    auto take = [&ctx, &mode, network = std::move(*network),
                 done = std::move(done)](Result<UniqueFd> key) mutable {
        if (!key) return done(fail(std::move(key.error())));
        ctx.network.connect(mode.name,
                            {network.net_ns.borrow(), network.plan.borrow(), std::move(*key), true},
                            std::move(done));
    };
    read_tunnel_key(ctx, mode, *mode.running->plan, std::move(take));
}

void give_tunnel_back(const Context& ctx, Mode& mode, Done done) {
    reopen_tunnel(ctx, mode, [&ctx, &mode, done = std::move(done)](Result<> reopened) mutable {
        if (!reopened) ctx.network.lose(mode.name, reopened.error().message());
        done({});
    });
}

}  // namespace pmos::daemon
