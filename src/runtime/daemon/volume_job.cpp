// daemon: a worker's request for a volume of a mode, and what is told of its end. Runs none.
#include "runtime/daemon/volume_job.h"

#include <csignal>

#include "runtime/volume/attempts.h"

namespace pmos::daemon {

bool needs_secret(const policy::Volume& volume) { return !policy::asks_nobody(volume.key_source); }

bool takes_secret(const policy::Volume& volume) {
    return volume.key_source != policy::KeySource::device_key;
}

const char* verb_name(volume::Verb verb) {
    switch (verb) {
        case volume::Verb::provision:
            return "provision";
        case volume::Verb::open:
            return "unlock";
        case volume::Verb::close:
            return "lock";
        case volume::Verb::status:
            return "status";
        case volume::Verb::suspend:
        case volume::Verb::cut_off:
            return "lock";
        case volume::Verb::resume:
            return "unlock";
        case volume::Verb::info:
            return "volume-info";
        case volume::Verb::passwd:
            return "volume-passwd";
        case volume::Verb::backup:
            return "volume-backup";
        case volume::Verb::restore:
            return "volume-restore";
        case volume::Verb::resize:
            return "volume-resize";
        case volume::Verb::wipe_free:
            return "volume-wipe-free";
        case volume::Verb::trim:
            return "volume-trim";
        case volume::Verb::reencrypt:
            return "volume-reencrypt";
        case volume::Verb::auth_list:
            return "auth-list";
        case volume::Verb::auth_enroll:
            return "auth-enroll";
        case volume::Verb::auth_remove:
            return "auth-remove";
        case volume::Verb::auth_test:
            return "auth-test";
        case volume::Verb::erase:
            return "erase";
        case volume::Verb::duress:
            return "volume-duress";
        case volume::Verb::keep_denials:
        case volume::Verb::read_denials:
            return "volume-denials";
        case volume::Verb::tunnel_key_new:
        case volume::Verb::tunnel_key_import:
        case volume::Verb::preshared_key_import:
            return "tunnel-key";
        case volume::Verb::tunnel_key_read:
            return "start";
        case volume::Verb::tunnel_key_show:
            return "tunnel-key-show";
    }
    return "volume";
}

Error worker_died(int exit_code, bool counted) {
    const bool killed = exit_code == 128 + SIGKILL;
    Error error;
    error.what = "the volume worker died";
    error.why = killed ? "it was killed, as the kernel does where there is no memory for it"
                       : "exit status " + std::to_string(exit_code);
    if (counted) error.why += "; what it tried is counted as wrong";
    error.fix = killed ? "stop a mode and try again; the kernel log says what killed it"
                       : "the journal and the kernel log may say why";
    return error;
}

// What became of the count of wrong secrets when one was tried.
void tell_attempts(const Context& ctx, const Mode& mode, const Result<VolumeEnd>& end) {
    if (end && end->event && end->event->why[0] != '\0')
        ctx.observer.event("attempts-not-kept", mode.name, {{"error", end->event->why}});
    if (end && end->event) return;
    const auto standing = volume::look_at_attempts(ctx.paths.attempts(mode.name));
    if (standing.wait && standing.wait->count() == 0) return;
    ctx.observer.event("throttled", mode.name,
                       {{"failures", std::to_string(standing.failures)},
                        {"wait", standing.wait ? volume::in_words(*standing.wait) : "for ever"},
                        {"damaged", standing.damaged ? "yes" : "no"}});
}

// A change of the secret or of the volume key that was cut short once, and could not be brought to
// its end now; or cannot without being asked to, for it takes long.
void tell_unsettled(const Context& ctx, const Mode& mode, const VolumeEnd& end) {
    for (const auto& [name, value] : end.details) {
        if (name == "unsettled")
            ctx.observer.event("volume-unsettled", mode.name, {{"error", value}});
        if (name == "reencryption")
            ctx.observer.event("volume-reencrypt-interrupted", mode.name,
                               {{"fix", "pmosctl volume reencrypt " + mode.name}});
    }
}

namespace {

// Of the profile it has, and of the one that it was started with: what ends a mode's keys leaves
// out none.
std::vector<policy::Volume> volumes_of(const Mode& mode) {
    std::vector<policy::Volume> all;
    const auto add = [&all](const auto& plan) {
        if (!plan) return;
        for (const auto& volume : plan->volumes)
            if (std::ranges::count(all, volume.source, &policy::Volume::source) == 0)
                all.push_back(volume);
    };
    if (mode.running) add(mode.running->plan);
    add(mode.plan);
    return all;
}

}  // namespace

VolumeJob make_volume_job(const Context& ctx, Mode& mode, const policy::Volume& volume,
                          volume::Verb verb) {
    VolumeJob job;
    job.verb = verb;
    job.mode = mode.name;
    job.volume = volume;
    job.places = {ctx.paths.attempts(mode.name), ctx.paths.repeats(mode.name),
                  ctx.paths.headers(mode.name)};
    job.places.volumes = volumes_of(mode);
    if (mode.plan) job.places.erase_after = mode.plan->session.erase_after_failures;
    job.progress = [&ctx, &mode, verb](std::uint32_t permille, std::string_view step) {
        ctx.observer.progress(mode, verb_name(verb), permille, step);
    };
    job.keys_ended = [&ctx, &mode] { ctx.keys_ended(mode); };
    return job;
}

}  // namespace pmos::daemon
