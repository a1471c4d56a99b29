// daemon: the supervisor's verbs on fingerprints: what lets a mode go on that was locked by freeze,
// a while after its own secret did. Sees no print; a finger opens no volume.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/daemon/hook_runner.h"
#include "runtime/daemon/run_file.h"
#include "runtime/daemon/strong_unlock.h"
#include "runtime/daemon/supervisor.h"
#include "runtime/daemon/suspend.h"
#include "runtime/daemon/volume_job.h"
#include "runtime/daemon/volumes.h"

namespace pmos::daemon {
namespace {

// fprintd keeps prints by names of users; none of a person's begins so.
std::string user_of(const Mode& mode) { return "pmos-" + mode.name; }

bool has_fingers(const Paths& paths, const Mode& mode) {
    return ::access(paths.fingers(mode.name).c_str(), F_OK) == 0;
}

std::string_view words_of(std::string_view why) {
    if (why == "too-many") return "too many wrong fingers in a row";
    if (why == "expired") return "its own secret was given too long ago";
    return "its own secret was not given since it was opened";
}

std::unexpected<Error> no_reader() {
    return fail(Code::unsupported, "there is no fingerprint reader to ask",
                "pmosd has no system bus, where fprintd is", "see: pmosctl doctor");
}

}  // namespace

Result<> Supervisor::finger_may(const Mode& mode) {
    const auto within = session_of(mode).fingerprint_within_ms;
    if (within == 0)
        return fail(Code::denied, "a fingerprint is not enough for mode '" + mode.name + "'",
                    "its profile does not say so", "see session/unlockRecent in docs/profiles.md");
    if (reader_ == nullptr) return no_reader();
    const auto why = why_strong(read_strong_unlock(paths_, mode.name), within, boot_time_usec());
    if (!why.empty()) {
        ctx_.observer.event("strong-needed", mode.name, {{"why", std::string(why)}});
        return fail(Code::locked, "a fingerprint is not enough for mode '" + mode.name + "' now",
                    std::string(words_of(why)), "unlock it with: pmosctl unlock " + mode.name);
    }
    if (!has_fingers(paths_, mode))
        return fail(Code::not_found, "no finger is enrolled for mode '" + mode.name + "'", "",
                    "pmosctl auth enroll " + mode.name + " fingerprint");
    return {};
}

Result<> Supervisor::finger_opens(const Mode& mode) {
    if (!mode.held || mode.suspended || !mode.alive())
        return fail(
            Code::locked, "a fingerprint is not enough for mode '" + mode.name + "'",
            mode.locked ? "its volumes are closed, and no finger opens them" : "it is not locked",
            mode.locked ? "unlock it with: pmosctl unlock " + mode.name : "");
    return finger_may(mode);
}

std::uint64_t Supervisor::finger_until(const Mode& mode) const {
    const auto within = session_of(mode).fingerprint_within_ms;
    const auto last = read_strong_unlock(paths_, mode.name);
    if (!mode.held || mode.suspended || within == 0 || !has_fingers(paths_, mode) ||
        !why_strong(last, within, boot_time_usec()).empty())
        return 0;
    return last->at + std::uint64_t{within} * 1000;
}

// What cannot be counted must not be tried again.
void Supervisor::count_finger(const Mode& mode) {
    auto last = read_strong_unlock(paths_, mode.name).value_or(StrongUnlock{0, kMostFingers});
    last.refused = std::min(last.refused + 1, kMostFingers);
    if (auto kept = write_strong_unlock(paths_, mode.name, last); !kept) {
        ctx_.observer.event("state-not-kept", mode.name, {{"error", kept.error().message()}});
        static_cast<void>(remove_strong_unlock(paths_, mode.name));
        last.refused = kMostFingers;
    }
    ctx_.observer.event("fingerprint-refused", mode.name,
                        {{"refused", std::to_string(last.refused)},
                         {"left", std::to_string(kMostFingers - last.refused)}});
    if (last.refused == kMostFingers)
        ctx_.observer.event("strong-needed", mode.name, {{"why", "too-many"}});
}

void Supervisor::note_strong_unlock(const Mode& mode) {
    if (auto kept = write_strong_unlock(paths_, mode.name, {boot_time_usec(), 0}); !kept) {
        ctx_.observer.event("state-not-kept", mode.name, {{"error", kept.error().message()}});
        static_cast<void>(remove_strong_unlock(paths_, mode.name));
    }
}

// Beside the mode's queue, so that its secret opens it meanwhile; who left, or came first, calls it
// off.
void Supervisor::ask_finger(Mode& mode, std::string owner, const char* verb, Done done) {
    if (mode.leave_reader)
        return done(fail(Code::busy, "the fingerprint reader is in use",
                         "a finger of mode '" + mode.name + "' is asked for already"));
    auto work = works_.ask(mode.name, std::move(owner), verb);
    auto answered = [this, &mode, work, done = std::move(done)](Result<bool> same) mutable {
        mode.leave_reader = {};
        works_.end(work);
        if (!same) return done(fail(std::move(same.error())));
        if (*same) return done({});
        count_finger(mode);
        done(fail(Code::wrong_secret, "this finger is not enrolled for mode '" + mode.name + "'"));
    };
    const auto tell = [this, &mode, verb](std::uint32_t permille, std::string_view what) {
        ctx_.observer.progress(mode, verb, permille, what);
    };
    // Before it is asked: it may answer at once.
    const auto cancel = std::make_shared<FingerReader::Cancel>();
    work->cancel = [cancel] {
        if (*cancel) (*cancel)();
    };
    mode.leave_reader = work->cancel;
    *cancel = reader_->verify(user_of(mode), tell, std::move(answered));
}

void Supervisor::unlock_by_finger(Mode& mode, std::string owner, Done done) {
    if (closing_) return done(fail(Code::cancelled, "pmosd is shutting down"));
    refresh_volume_state(mode);
    if (auto may = finger_opens(mode); !may) return done(std::move(may));
    ask_finger(mode, std::move(owner), "unlock",
               [this, &mode, done = std::move(done)](Result<> same) mutable {
                   if (!same) return done(std::move(same));
                   enqueue(
                       mode, "unlock-by-fingerprint",
                       [this, &mode](Done job_done) { finger_job(mode, std::move(job_done)); },
                       std::move(done));
               });
}

// Much may have become of the mode since the finger was asked for.
void Supervisor::finger_job(Mode& mode, Done done) {
    refresh_volume_state(mode);
    if (auto may = finger_opens(mode); !may) return done(std::move(may));
    auto last = *read_strong_unlock(paths_, mode.name);
    last.refused = 0;
    if (auto kept = write_strong_unlock(paths_, mode.name, last); !kept)
        return done(std::move(kept));
    if (auto gone_on = go_on(ctx_, mode); !gone_on) return done(std::move(gone_on));
    timers_.came_back(mode);
    run_hooks(ctx_, mode, policy::HookPoint::unlock, std::move(done));
}

void Supervisor::test_finger(Mode& mode, std::string owner, Done done) {
    if (closing_) return done(fail(Code::cancelled, "pmosd is shutting down"));
    if (auto may = finger_may(mode); !may) return done(std::move(may));
    ask_finger(mode, std::move(owner), "auth-test", std::move(done));
}

// In the mode's queue, as any secret is judged.
void Supervisor::judge_first(Mode& mode, UniqueFd secret, Done done) {
    if (closing_) return done(fail(Code::cancelled, "pmosd is shutting down"));
    mode.jobs.add(
        [this, &mode, secret = std::move(secret)](Done job_done) mutable {
            if (!mode.plan)
                return job_done(fail(Code::disabled, "mode '" + mode.name + "' is disabled",
                                     mode.reason, "see: pmosctl policy check"));
            const auto& volumes = mode.plan->volumes;
            const auto asks = std::ranges::find_if(volumes, needs_secret);
            if (asks == volumes.end())
                return job_done(fail(Code::usage, "mode '" + mode.name + "' has no secret"));
            if (auto ok = check_secret(mode, volumes, secret); !ok) return job_done(std::move(ok));
            call_volume_worker(ctx_, mode, *asks, volume::Verb::auth_test, std::move(secret),
                               std::move(job_done));
        },
        std::move(done));
}

void Supervisor::enroll_finger(Mode& mode, std::string finger, UniqueFd secret, std::string owner,
                               Done done) {
    if (session_of(mode).fingerprint_within_ms == 0)
        return done(fail(Code::denied, "a fingerprint is not enough for mode '" + mode.name + "'",
                         "its profile does not say so",
                         "see session/unlockRecent in docs/profiles.md"));
    if (reader_ == nullptr) return done(no_reader());
    auto work = works_.ask(mode.name, std::move(owner), "auth-enroll");
    auto ended = [this, &mode, work, finger, done = std::move(done)](Result<> enrolled) mutable {
        works_.end(work);
        if (enrolled) {
            ::mkdir((paths_.state + "/fingers").c_str(), 0700);
            enrolled = replace_file(paths_.fingers(mode.name), "");
        }
        Details details{{"method", "fingerprint"}, {"finger", finger}};
        if (!enrolled) details.emplace_back("error", enrolled.error().message());
        ctx_.observer.event(enrolled ? "auth-enroll" : "auth-enroll-failed", mode.name, details);
        done(std::move(enrolled));
    };
    judge_first(mode, std::move(secret),
                [this, &mode, work, finger, ended = std::move(ended)](Result<> judged) mutable {
                    if (!judged) return ended(std::move(judged));
                    if (work->called_off) return ended(VolumeWorks::called_off(*work));
                    if (reader_ == nullptr) return ended(no_reader());
                    const auto tell = [this, &mode](std::uint32_t permille, std::string_view what) {
                        ctx_.observer.progress(mode, "auth-enroll", permille, what);
                    };
                    // Prints that nobody vouches for are those of who had the mode before.
                    work->cancel = reader_->enroll(
                        user_of(mode), finger, !has_fingers(paths_, mode), tell, std::move(ended));
                });
}

void Supervisor::list_fingers(Mode& mode, Answer<std::vector<std::string>> answer) {
    if (session_of(mode).fingerprint_within_ms == 0) return answer(std::vector<std::string>());
    if (reader_ == nullptr) return answer(no_reader());
    reader_->list(user_of(mode), std::move(answer));
}

void Supervisor::remove_fingers(Mode& mode, UniqueFd secret, Done done) {
    judge_first(mode, std::move(secret),
                [this, &mode, done = std::move(done)](Result<> judged) mutable {
                    if (!judged) return done(std::move(judged));
                    // First: from here on no finger is enough, whatever becomes of the prints.
                    if (auto gone = remove_file(paths_.fingers(mode.name)); !gone)
                        return done(std::move(gone));
                    ctx_.observer.event("auth-remove", mode.name, {{"method", "fingerprint"}});
                    if (reader_ == nullptr) return done(no_reader());
                    reader_->remove(user_of(mode), std::move(done));
                });
}

// Of a mode whose keys are gone: its fingers are enough for nothing from here on.
void Supervisor::disown_fingers(const Mode& mode) {
    if (auto gone = remove_file(paths_.fingers(mode.name)); !gone)
        ctx_.observer.event("fingerprints-kept", mode.name, {{"error", gone.error().message()}});
}

// And their prints go, where that can be.
void Supervisor::forget_fingers(const Mode& mode) {
    const bool had = has_fingers(paths_, mode);
    disown_fingers(mode);
    if (!had && session_of(mode).fingerprint_within_ms == 0) return;
    const auto removed = [this, name = mode.name](Result<> result) {
        if (!result)
            ctx_.observer.event("fingerprints-kept", name, {{"error", result.error().message()}});
    };
    if (reader_ == nullptr) return removed(no_reader());
    reader_->remove(user_of(mode), removed);
}

}  // namespace pmos::daemon
