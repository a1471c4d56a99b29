// daemon: the devices of a mode that runs follow those of the phone. Grants nothing that the mode's
// profile does not; opens no device.
#include "runtime/daemon/hot_plug.h"

#include <utility>

#include "policy/device_change.h"
#include "policy/plan_image.h"
#include "runtime/daemon/denials.h"
#include "runtime/daemon/device_gate.h"
#include "runtime/daemon/launcher.h"
#include "runtime/daemon/mode_files.h"
#include "runtime/launch/client.h"

namespace pmos::daemon {
namespace {

struct Following {
    const Context& ctx;
    Mode& mode;
    policy::DeviceChange change;
    Done done;
    policy::LaunchPlan nodes{};  // lent to the launcher, with the sealed image of it
    UniqueFd image{};
};

std::string paths_of(const std::vector<policy::DeviceNode>& nodes) {
    std::string text;
    for (const auto& node : nodes) text += (text.empty() ? "" : " ") + node.path;
    return text;
}

void tell(const Context& ctx, const Mode& mode, const Result<>& result) {
    tell_failure(ctx.observer, "devices-unsettled", mode.name, result);
}

// A pmosd that comes adopts the mode with what it has by now. A recording ends with this one.
Result<> remember(const Context& ctx, Mode& mode) {
    if (mode.recorded()) return {};
    PMOS_TRY(write_next_plan(ctx.paths, mode.name, policy::encode(*mode.running->plan)));
    PMOS_TRY(write_state(ctx.paths, mode));
    return take_next_plan(ctx.paths, mode.name);
}

Result<> take(const Context& ctx, Mode& mode, const policy::LaunchPlan& changed) {
    PMOS_TRY(ctx.gate.exchange(mode, std::make_shared<const policy::LaunchPlan>(changed)));
    auto& running = *mode.running;
    running.digest = policy::digest(*running.plan);
    running.watch = ctx.denials.watch(mode, *mode.cgroup, *running.plan);
    return {};
}

void change_nodes(const std::shared_ptr<Following>& work, bool take_away, Done done) {
    auto& nodes = take_away ? work->change.gone : work->change.come;
    if (nodes.empty() || !work->mode.alive()) return done({});
    work->nodes = work->change.plan;
    work->nodes.device_nodes = nodes;
    auto image = launch::seal_plan(policy::encode(work->nodes));
    if (!image) return done(fail(std::move(image.error())));
    work->image = std::move(*image);
    LaunchJob job;
    job.request.verb = launch::Verb::devices;
    job.request.take_away = take_away ? 1 : 0;
    job.descriptors.plan = work->image.borrow();
    job.descriptors.pidfd = work->mode.running->pidfd.borrow();
    job.plan = &work->nodes;
    work->ctx.launcher.ask(
        std::move(job), [work, done = std::move(done)](Result<launch::LaunchReply> reply) mutable {
            if (!reply && work->mode.alive()) return done(fail(std::move(reply.error())));
            done({});
        });
}

}  // namespace

void follow_devices(const Context& ctx, Mode& mode, const policy::HostFacts& facts, Done done) {
    if (!mode.alive() || !mode.running->plan) return done({});
    auto change = policy::device_change(*mode.running->plan, mode.running->profile.get(), facts);
    if (!change) return done({});
    if (auto taken = take(ctx, mode, change->plan); !taken) return done(std::move(taken));
    ctx.observer.event("devices-followed", mode.name,
                       {{"come", paths_of(change->come)}, {"gone", paths_of(change->gone)}});
    tell(ctx, mode, remember(ctx, mode));
    const auto work = std::make_shared<Following>(ctx, mode, std::move(*change), std::move(done));
    change_nodes(work, true, [work](Result<> gone) {
        tell(work->ctx, work->mode, gone);
        change_nodes(work, false, [work](Result<> come) {
            tell(work->ctx, work->mode, come);
            work->ctx.observer.mode_changed(work->mode);
            work->done({});
        });
    });
}

}  // namespace pmos::daemon
