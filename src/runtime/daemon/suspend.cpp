// daemon: the locks that keep a mode's processes: they stand still, and their volumes' keys leave
// the kernel (suspend) or stay there (freeze). That of its tunnel goes. Never sees a key; never
// thaws what is locked.
#include "runtime/daemon/suspend.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "runtime/daemon/freezer.h"
#include "runtime/daemon/lock_record.h"
#include "runtime/daemon/run_file.h"
#include "runtime/daemon/tunnel_key.h"
#include "runtime/daemon/volume_job.h"
#include "runtime/daemon/volumes.h"
#include "runtime/host/small_file.h"

namespace pmos::daemon {
namespace {

using volume::Verb;

SequenceStep one_volume(const Context& ctx, Mode& mode, const policy::Volume& volume, Verb verb,
                        UniqueFd descriptor) {
    return {verb == Verb::suspend ? "suspend_volume" : "resume_volume",
            [&ctx, &mode, volume, verb, fd = std::move(descriptor)](Done done) mutable {
                call_volume_worker(ctx, mode, volume, verb, std::move(fd), std::move(done));
            }};
}

// What the volumes' files have in the page cache goes by it; without it they stay there.
UniqueFd open_reclaim(const Mode& mode) {
    auto file = mode.cgroup->open_to_write("memory.reclaim");
    return file ? std::move(*file) : UniqueFd();
}

std::vector<policy::Volume> suspended_of(const std::vector<policy::Volume>& volumes) {
    std::vector<policy::Volume> out;
    std::ranges::copy_if(volumes, std::back_inserter(out), is_suspended);
    return out;
}

}  // namespace

Result<> go_on(const Context& ctx, Mode& mode) {
    const auto record = read_lock_record(ctx.paths, mode.name);
    // Thawed only when nothing says any more that it is locked.
    PMOS_TRY(remove_lock_record(ctx.paths, mode.name));
    mode.held = false;
    if (!record || !record->thaw) return {};
    auto thawed = thaw_mode(ctx, mode);
    if (thawed) return {};
    mode.held = true;
    if (auto kept = write_lock_record(ctx.paths, mode.name, *record); !kept)
        thawed.error().undo_failures.push_back(std::move(kept.error()));
    return thawed;
}

bool is_suspended(const policy::Volume& volume) {
    struct stat st {};
    if (::stat(("/dev/mapper/" + volume.dm_name).c_str(), &st) != 0 || !S_ISBLK(st.st_mode))
        return false;
    const auto text = host::read_small_file(
        fmt::format("/sys/dev/block/{}:{}/dm/suspended", major(st.st_rdev), minor(st.st_rdev)));
    return text && text->starts_with('1');
}

policy::OnLock lock_strength(const Mode& mode) {
    const bool keeps = mode.alive() && !mode.recorded() && mode.running->plan &&
                       !mode.running->plan->volumes.empty();
    return keeps ? mode.running->plan->session.on_lock : policy::OnLock::evict;
}

namespace {

std::vector<SequenceStep> stand_still(const Context& ctx, Mode& mode) {
    std::vector<SequenceStep> steps;
    // Stays, whatever fails: until it is evicted or unlocked, the mode is one that is to be locked.
    steps.push_back(
        {"record", [&ctx, &mode](Done step_done) {
             const auto record =
                 read_lock_record(ctx.paths, mode.name)
                     .value_or(LockRecord{boot_time_usec(), mode.state == State::running, false});
             step_done(write_lock_record(ctx.paths, mode.name, record));
         }});
    steps.push_back({"freeze", [&ctx, &mode](Done step_done) {
                         // Behind another mode it may have been left late.
                         if (mode.state == State::frozen && mode.cgroup->is_frozen())
                             return step_done({});
                         freeze_mode(ctx, mode, Late::fails, std::move(step_done));
                     }});
    return steps;
}

// Behind the volumes: whoever takes care of it may be slow, and the phone about to sleep.
SequenceStep no_tunnel(const Context& ctx, Mode& mode) {
    return {"shut_tunnel",
            [&ctx, &mode](Done step_done) { shut_tunnel(ctx, mode, std::move(step_done)); }};
}

Result<> lost_plan(const Mode& mode) {
    return fail(Code::failed, "mode '" + mode.name + "' cannot go on",
                "the plan that it was started with is lost",
                "end it with: pmosctl lock --evict " + mode.name);
}

}  // namespace

void hold_mode(const Context& ctx, Mode& mode, Done done) {
    mode.held = true;
    auto steps = stand_still(ctx, mode);
    steps.push_back(no_tunnel(ctx, mode));
    run_sequence(ctx.loop, "freeze", std::move(steps), std::move(done));
}

void suspend_mode(const Context& ctx, Mode& mode, Done done) {
    auto steps = stand_still(ctx, mode);
    steps.push_back({"sleep", [&ctx](Done step_done) { step_done(keep_sleep(ctx.paths, true)); }});
    for (const auto& volume : mode.running->plan->volumes)
        steps.push_back(one_volume(ctx, mode, volume, Verb::suspend, open_reclaim(mode)));
    steps.push_back(no_tunnel(ctx, mode));
    run_sequence(ctx.loop, "suspend", std::move(steps), std::move(done));
}

// What stands still is looked at once: a volume that is made larger does so for a moment, and must
// not be taken for one whose key the secret has brought back.
void resume_mode(const Context& ctx, Mode& mode, UniqueFd secret, std::function<Result<>()> may,
                 Done done) {
    if (!mode.running->plan) return done(lost_plan(mode));
    const auto& volumes = mode.running->plan->volumes;
    if (auto ok = check_secret(mode, volumes, secret); !ok)
        return done(fail(std::move(ok.error())));
    const auto suspended = suspended_of(volumes);
    const auto asks = std::ranges::find_if(volumes, needs_secret);
    const std::string taker = asks != volumes.end() ? asks->dm_name : taker_of(suspended);
    std::vector<SequenceStep> steps;
    if (asks != volumes.end() && !std::ranges::count(suspended, taker, &policy::Volume::dm_name))
        steps.push_back({"judge", [&ctx, &mode, volume = *asks,
                                   fd = std::move(secret)](Done step_done) mutable {
                             call_volume_worker(ctx, mode, volume, Verb::auth_test, std::move(fd),
                                                std::move(step_done));
                         }});
    for (const auto& volume : suspended) {
        const bool takes = volume.dm_name == taker;
        auto step =
            one_volume(ctx, mode, volume, Verb::resume, takes ? std::move(secret) : UniqueFd());
        step.undo = [&ctx, &mode, volume](Done undone) {
            call_volume_worker(ctx, mode, volume, Verb::suspend, {}, std::move(undone));
        };
        steps.push_back(std::move(step));
    }
    steps.push_back(
        {"give_tunnel_back",
         [&ctx, &mode](Done step_done) { give_tunnel_back(ctx, mode, std::move(step_done)); },
         [&ctx, &mode](Done undone) { shut_tunnel(ctx, mode, std::move(undone)); }});
    steps.push_back({"go_on", [&ctx, &mode, may = std::move(may)](Done step_done) {
                         if (auto wanted = may(); !wanted) return step_done(std::move(wanted));
                         step_done(go_on(ctx, mode));
                     }});
    run_sequence(ctx.loop, "resume", std::move(steps), std::move(done));
}

Result<> note_eviction(const Context& ctx, const Mode& mode) {
    auto record = read_lock_record(ctx.paths, mode.name).value_or(LockRecord{boot_time_usec()});
    record.evict = true;
    return write_lock_record(ctx.paths, mode.name, record);
}

void break_off(const Context& ctx, Mode& mode, Done done) {
    Result<> written = note_eviction(ctx, mode);
    each_volume(
        ctx, mode, suspended_of(mode.opened), Verb::cut_off,
        [&mode, written = std::move(written), done = std::move(done)](Result<> cut) mutable {
            if (mode.cgroup) static_cast<void>(mode.cgroup->kill());
            done(cut ? std::move(written) : std::move(cut));
        });
}

Result<> keep_sleep(const Paths& paths, bool any_suspended) {
    constexpr const char* kSwitch = "/sys/power/sync_on_suspend";
    const std::string before = paths.run + "/sync_on_suspend";
    const auto now = host::read_small_file(kSwitch);
    if (!now) return {};  // a kernel that cannot sleep
    const std::string kept = read_run_file(before);
    if (any_suspended == !kept.empty()) return {};
    if (any_suspended) PMOS_TRY(replace_file(before, *now));
    if (const int r = host::write_small_file({}, kSwitch, any_suspended ? "0" : kept); r != 0)
        return fail(errno_error(r, fmt::format("cannot write '{}'", kSwitch)));
    return any_suspended ? Result<>() : remove_file(before);
}

}  // namespace pmos::daemon
