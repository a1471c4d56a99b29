// daemon: the volumes of a mode as sequences of worker calls. Never sees a key; mounts nothing.
#include "runtime/daemon/volumes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/daemon/mode_files.h"
#include "runtime/daemon/suspend.h"
#include "runtime/daemon/volume_job.h"
#include "runtime/volume/helpers.h"

namespace pmos::daemon {
namespace {

bool is_open(const policy::Volume& volume) {
    return ::access(("/dev/mapper/" + volume.dm_name).c_str(), F_OK) == 0;
}

// A file has its final name only when it is complete. A block device is always there: it counts
// when it begins with a LUKS header (cryptsetup's on-disk format, both versions), or with the mark
// of one whose header is elsewhere.
bool exists(const policy::Volume& v) {
    if (!v.block_device) return ::access(v.source.c_str(), F_OK) == 0;
    constexpr std::string_view kMagic = "LUKS\xba\xbe";
    const UniqueFd device(::open(v.source.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    char bytes[volume::kApartMark.size()] = {};
    if (!device || ::pread(device.get(), bytes, sizeof bytes, 0) != sizeof bytes) return false;
    const std::string_view begin(bytes, sizeof bytes);
    return begin.starts_with(kMagic) || begin == volume::kApartMark;
}

// By a worker that is at it, or was killed.
bool was_left(const policy::Volume& volume) {
    return volume::is_half_made(volume) || volume::has_temporary_crypt();
}

const char* state_of(const policy::Volume& volume) {
    if (is_suspended(volume)) return "suspended";
    if (is_open(volume)) return "open";
    return exists(volume) ? "closed" : "absent";
}

void note_opened(const Context& ctx, Mode& mode, const policy::Volume& volume, bool open) {
    std::erase_if(mode.opened,
                  [&](const policy::Volume& v) { return v.dm_name == volume.dm_name; });
    if (open) mode.opened.push_back(volume);
    if (auto written = write_opened(ctx.paths, mode); !written)
        ctx.observer.event("state-not-kept", mode.name, {{"error", written.error().message()}});
}

// Of the verbs that go over whole modes.
bool unlocks(volume::Verb verb) {
    return verb == volume::Verb::open || verb == volume::Verb::resume ||
           verb == volume::Verb::auth_test;
}

// A worker that died has undone nothing, and what it left may hold a key in the kernel.
void after_death(const Context& ctx, Mode& mode, const policy::Volume& volume, volume::Verb verb,
                 int exit_code, Done done) {
    Error error = worker_died(exit_code, unlocks(verb) && takes_secret(volume));
    using volume::Verb;
    if (verb == Verb::erase) error.fix = "part of it may be left: erase the mode again";
    if (verb == Verb::close || verb == Verb::suspend || verb == Verb::cut_off ||
        verb == Verb::erase || verb == Verb::auth_test)
        return done(fail(std::move(error)));
    const auto clear = verb == Verb::resume ? Verb::suspend : Verb::close;
    call_volume_worker(
        ctx, mode, volume, clear, {},
        [error = std::move(error), done = std::move(done)](Result<> cleared) mutable {
            if (!cleared) error.undo_failures.push_back(std::move(cleared.error()));
            done(fail(std::move(error)));
        });
}

}  // namespace

void call_volume_worker(const Context& ctx, Mode& mode, const policy::Volume& volume,
                        volume::Verb verb, UniqueFd secret, Done done) {
    VolumeJob job = make_volume_job(ctx, mode, volume, verb);
    job.secret = std::move(secret);
    auto leave_off = run_volume_worker(
        ctx.loop, ctx.paths.libexec, std::move(job),
        [&ctx, &mode, what = volume, verb, done = std::move(done)](Result<VolumeEnd> end) mutable {
            using volume::Verb;
            mode.leave_off = {};
            const bool did_it = end && end->event;
            if (did_it && (verb == Verb::open || verb == Verb::close))
                note_opened(ctx, mode, what, verb == Verb::open);
            if (unlocks(verb) && takes_secret(what)) tell_attempts(ctx, mode, end);
            if (did_it) tell_unsettled(ctx, mode, *end);
            refresh_volume_state(mode);
            if (did_it) return done({});
            if (!end) return done(fail(std::move(end.error())));
            after_death(ctx, mode, what, verb, end->exit_code, std::move(done));
        });
    if (unlocks(verb) || verb == volume::Verb::provision) mode.leave_off = std::move(leave_off);
}

bool secret_opens(const Mode& mode) {
    const auto& plan = mode.alive() ? mode.running->plan : mode.plan;
    return plan && std::ranges::any_of(plan->volumes, [&](const policy::Volume& v) {
               return needs_secret(v) && (mode.held || !is_open(v) || is_suspended(v));
           });
}

std::string taker_of(const std::vector<policy::Volume>& volumes) {
    for (const auto of : {needs_secret, takes_secret})
        if (const auto it = std::ranges::find_if(volumes, of); it != volumes.end())
            return it->dm_name;
    return "";
}

Result<> check_secret(const Mode& mode, const std::vector<policy::Volume>& volumes,
                      const UniqueFd& secret) {
    const auto takers = std::ranges::count_if(volumes, needs_secret);
    if (takers > 1)
        return fail(Code::unsupported,
                    "mode '" + mode.name + "' has more than one volume with a secret", "",
                    "give all but one a device key");
    if (takers == 1 && !secret)
        return fail(Code::usage, "mode '" + mode.name + "' needs a secret",
                    "its volume does not open with a device key",
                    "pass it on the terminal or with --pin-fd");
    return {};
}

namespace {

std::vector<SequenceStep> open_steps(const Context& ctx, Mode& mode,
                                     const std::vector<policy::Volume>& volumes, UniqueFd secret) {
    std::vector<SequenceStep> steps;
    const std::string taker = taker_of(volumes);
    for (const auto& volume : volumes) {
        UniqueFd fd = volume.dm_name == taker ? std::move(secret) : UniqueFd();
        if (!needs_secret(volume) && !exists(volume))
            steps.push_back({.name = "provision", .run = [&ctx, &mode, volume](Done done) {
                                 call_volume_worker(ctx, mode, volume, volume::Verb::provision, {},
                                                    std::move(done));
                             }});
        steps.push_back({.name = "open_volume",
                         .run =
                             [&ctx, &mode, volume, fd = std::move(fd)](Done done) mutable {
                                 call_volume_worker(ctx, mode, volume, volume::Verb::open,
                                                    std::move(fd), std::move(done));
                             },
                         .undo =
                             [&ctx, &mode, volume](Done done) {
                                 call_volume_worker(ctx, mode, volume, volume::Verb::close, {},
                                                    std::move(done));
                             }});
    }
    return steps;
}

}  // namespace

void refresh_volume_state(Mode& mode) {
    mode.suspended = std::ranges::any_of(mode.opened, is_suspended);
    if (!mode.plan) {
        mode.locked = mode.opened.empty() || mode.shut();
        return;
    }
    mode.provisioned = std::ranges::all_of(mode.plan->volumes, exists);
    mode.locked = mode.shut() || !std::ranges::all_of(mode.plan->volumes, is_open);
}

Details volume_summary(const policy::Volume& volume) {
    const bool there = exists(volume);
    Details out{{"name", volume.name},     {"state", state_of(volume)},
                {"target", volume.target}, {"source", volume.source},
                {"cipher", volume.cipher}, {"secret", needs_secret(volume) ? "yes" : "no"}};
    struct stat st {};
    std::uint64_t size = volume.size;
    if (there && !volume.block_device && ::stat(volume.source.c_str(), &st) == 0)
        size = static_cast<std::uint64_t>(st.st_size);
    if (size != 0) out.emplace_back("fileSize", std::to_string(size));
    return out;
}

void provision_volumes(const Context& ctx, Mode& mode, UniqueFd secret, Done done) {
    const auto& volumes = mode.plan->volumes;
    if (volumes.empty())
        return done(fail(Code::usage, "mode '" + mode.name + "' has no volume to provision"));
    if (auto ok = check_secret(mode, volumes, secret); !ok)
        return done(fail(std::move(ok.error())));
    // What an earlier attempt has finished stays; nothing left to make is a refusal by the worker.
    const bool again = !std::ranges::all_of(volumes, exists);
    std::vector<SequenceStep> steps;
    const std::string taker = taker_of(volumes);
    for (const auto& volume : volumes)
        if (!again || !exists(volume))
            steps.push_back({.name = "provision",
                             .run = [&ctx, &mode, volume,
                                     fd = volume.dm_name == taker ? std::move(secret) : UniqueFd()](
                                        Done step_done) mutable {
                                 call_volume_worker(ctx, mode, volume, volume::Verb::provision,
                                                    std::move(fd), std::move(step_done));
                             }});
    run_sequence(ctx.loop, "provision", std::move(steps), std::move(done));
}

void erase_volumes(const Context& ctx, Mode& mode, Done done) {
    const auto& volumes = mode.plan->volumes;
    if (volumes.empty())
        return done(fail(Code::usage, "mode '" + mode.name + "' has no volume to erase"));
    each_volume(ctx, mode, volumes, volume::Verb::erase, std::move(done));
}

void open_volumes(const Context& ctx, Mode& mode, UniqueFd secret, Done done) {
    std::vector<policy::Volume> closed;
    std::ranges::copy_if(mode.plan->volumes, std::back_inserter(closed),
                         [](const policy::Volume& v) { return !is_open(v); });
    for (const auto& v : closed)
        if (needs_secret(v) && !exists(v))
            return done(fail(Code::not_provisioned,
                             "volume '" + v.name + "' of mode '" + mode.name + "' does not exist",
                             "'" + v.source + "' is not there",
                             "make it with: pmosctl provision " + mode.name));
    if (auto ok = check_secret(mode, closed, secret); !ok) return done(fail(std::move(ok.error())));
    run_sequence(ctx.loop, "unlock", open_steps(ctx, mode, closed, std::move(secret)),
                 std::move(done));
}

void each_volume(const Context& ctx, Mode& mode, std::vector<policy::Volume> volumes,
                 volume::Verb verb, Done done) {
    struct Closing {
        std::vector<policy::Volume> open;
        std::optional<Error> first;
        Done done;
    };
    auto state =
        std::make_shared<Closing>(Closing{std::move(volumes), std::nullopt, std::move(done)});
    const auto next = std::make_shared<std::function<void()>>();
    *next = [&ctx, &mode, verb, state, weak = std::weak_ptr(next)] {
        if (state->open.empty()) {
            if (state->first) return state->done(fail(std::move(*state->first)));
            return state->done({});
        }
        const auto volume = std::move(state->open.back());
        state->open.pop_back();
        call_volume_worker(ctx, mode, volume, verb, {},
                           [state, again = weak.lock()](Result<> result) {
                               if (!result && !state->first)
                                   state->first = std::move(result.error());
                               (*again)();
                           });
    };
    (*next)();
}

std::vector<policy::Volume> cut_short_of(const Mode& mode) {
    std::vector<policy::Volume> out;
    std::ranges::copy_if(mode.opened, std::back_inserter(out),
                         [](const policy::Volume& v) { return volume::has_helpers(v.dm_name); });
    return out;
}

void close_volumes(const Context& ctx, Mode& mode, Done done) {
    std::vector<policy::Volume> open = mode.opened;
    if (mode.plan)
        for (const auto& v : mode.plan->volumes)
            if ((is_open(v) || was_left(v)) &&
                !std::ranges::count(mode.opened, v.dm_name, &policy::Volume::dm_name))
                open.push_back(v);
    each_volume(ctx, mode, std::move(open), volume::Verb::close, std::move(done));
}

void clear_half_made(const Context& ctx, Mode& mode) {
    std::vector<policy::Volume> left;
    if (mode.plan)
        std::ranges::copy_if(mode.plan->volumes, std::back_inserter(left),
                             [](const policy::Volume& v) { return !is_open(v) && was_left(v); });
    if (left.empty()) return;
    mode.jobs.add(
        [&ctx, &mode, left = std::move(left)](Done done) mutable {
            each_volume(ctx, mode, std::move(left), volume::Verb::close, std::move(done));
        },
        [&ctx, &mode](Result<> cleared) {
            ctx.observer.event("volumes-cleared", mode.name,
                               {{"error", cleared ? "" : cleared.error().message()}});
        });
}

}  // namespace pmos::daemon
