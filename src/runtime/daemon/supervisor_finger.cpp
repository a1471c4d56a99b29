// daemon: the supervisor's verbs on fingerprints: what lets a mode go on that was locked by freeze,
// a while after its own secret did. Sees no print; a finger opens no volume.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/directory.h"
#include "base/text.h"
#include "runtime/daemon/hook_runner.h"
#include "runtime/daemon/lock_record.h"
#include "runtime/daemon/run_file.h"
#include "runtime/daemon/strong_unlock.h"
#include "runtime/daemon/supervisor.h"
#include "runtime/daemon/suspend.h"
#include "runtime/daemon/tunnel_key.h"
#include "runtime/daemon/volume_job.h"
#include "runtime/daemon/volumes.h"

namespace pmos::daemon {
namespace {

// fprintd keeps prints by names of users; none of a person's begins so.
std::string user_of(const Mode& mode) { return "pmos-" + mode.name; }

bool has_fingers(const Paths& paths, const Mode& mode) {
    return ::access(paths.fingers(mode.name).c_str(), F_OK) == 0;
}

// As fprintd names them.
bool is_finger(std::string_view name) {
    constexpr std::array kHands{"left-", "right-"};
    constexpr std::array kFingers{"thumb", "index-finger", "middle-finger", "ring-finger",
                                  "little-finger"};
    return std::ranges::any_of(kHands, [&](std::string_view hand) {
        return name.starts_with(hand) && std::ranges::count(kFingers, name.substr(hand.size())) > 0;
    });
}

// 0: never. What runs keeps its profile until it ends; what a later one takes back counts at once.
std::uint32_t fingerprint_within_ms(const Mode& mode) {
    const auto of = [](const auto& plan) { return plan ? plan->session.fingerprint_within_ms : 0; };
    return mode.alive() ? std::min(of(mode.running->plan), of(mode.plan)) : of(mode.plan);
}

// The prints that fprintd has for the mode are those of who has its secret.
Result<> vouch(const Paths& paths, const Mode& mode) {
    ::mkdir((paths.state + "/fingers").c_str(), 0700);
    return replace_file(paths.fingers(mode.name), "");
}

Result<> vouch_no_more(const Paths& paths, const Mode& mode) {
    const std::string path = paths.fingers(mode.name);
    if (!has_fingers(paths, mode)) return {};
    PMOS_TRY(remove_file(path));
    return sync_directory(directory_of(path));
}

std::unexpected<Error> not_enough(const Mode& mode) {
    if (!mode.plan) return mode.disabled_error();
    return fail(Code::denied, "a fingerprint is not enough for mode '" + mode.name + "'",
                "its profile does not say so", "see session/unlockRecent in docs/profiles.md");
}

std::string_view words_of(std::string_view why) {
    if (why == "too-many") return "too many wrong fingers in a row";
    if (why == "expired") return "its own secret was given too long ago";
    return "its own secret was not given since it was opened";
}

std::unexpected<Error> no_reader() {
    return fail(Code::unsupported, "there is no fingerprint reader to ask",
                "pmosd has no system bus, where fprintd is", "see: journalctl -u pmosd");
}

}  // namespace

Result<> Supervisor::finger_may(const Mode& mode) {
    const auto within = fingerprint_within_ms(mode);
    if (within == 0) return not_enough(mode);
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
    // One that is to be evicted is held as well, until nothing of it is left.
    const auto record = read_lock_record(paths_, mode.name);
    if (!mode.held || mode.suspended || !mode.alive() || !record || record->evict)
        return fail(Code::locked, "a fingerprint is not enough for mode '" + mode.name + "'",
                    mode.locked ? "its keys are not in memory, and no finger brings them back"
                                : "it is not locked",
                    mode.locked ? "unlock it with: pmosctl unlock " + mode.name : "");
    return finger_may(mode);
}

std::uint64_t Supervisor::finger_until(const Mode& mode) const {
    const auto within = fingerprint_within_ms(mode);
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
void Supervisor::ask_finger(Mode& mode, const VolumeWorks::Ticket& work, Done done) {
    work->yields = true;
    auto answered = [this, &mode, done = std::move(done)](Result<bool> same) mutable {
        if (!same) return done(fail(std::move(same.error())));
        if (*same) return done({});
        count_finger(mode);
        done(fail(Code::wrong_secret, "this finger is not enrolled for mode '" + mode.name + "'"));
    };
    const auto tell = [this, &mode, verb = work->verb](std::uint32_t permille,
                                                       std::string_view what) {
        ctx_.observer.progress(mode, verb, permille, what);
    };
    // Before it is asked: it may answer at once.
    const auto cancel = std::make_shared<FingerReader::Cancel>();
    work->cancel = [cancel] {
        if (*cancel) (*cancel)();
    };
    *cancel = reader_->verify(user_of(mode), tell, std::move(answered));
}

void Supervisor::unlock_by_finger(Mode& mode, std::string owner, Done done) {
    if (closing_) return done(fail(Code::cancelled, "pmosd is shutting down"));
    refresh_volume_state(mode);
    if (auto may = finger_opens(mode); !may) return done(std::move(may));
    if (mode.leave_reader)
        return done(fail(Code::busy, "the fingerprint reader is in use",
                         "a finger of mode '" + mode.name + "' is asked for already"));
    const auto work = works_.ask(mode.name, std::move(owner), "unlock");
    auto ended = [this, work, done = std::move(done)](Result<> result) mutable {
        works_.end(work);
        done(VolumeWorks::ended(*work, std::move(result)));
    };
    mode.leave_reader = [work] { work->cancel(); };
    ask_finger(mode, work, [this, &mode, work, ended = std::move(ended)](Result<> same) mutable {
        mode.leave_reader = {};
        if (!same) return ended(std::move(same));
        enqueue(
            mode, "unlock-by-fingerprint",
            [this, &mode, work](Done job_done) { finger_job(mode, work, std::move(job_done)); },
            std::move(ended));
    });
}

// Much may have become of the mode since the finger was asked for.
void Supervisor::finger_job(Mode& mode, const VolumeWorks::Ticket& work, Done done) {
    if (work->called_off) return done(VolumeWorks::called_off(*work));
    refresh_volume_state(mode);
    if (auto may = finger_opens(mode); !may) return done(std::move(may));
    if (auto last = read_strong_unlock(paths_, mode.name); last && last->refused != 0) {
        last->refused = 0;
        if (auto kept = write_strong_unlock(paths_, mode.name, *last); !kept)
            return done(std::move(kept));
    }
    give_tunnel_back(ctx_, mode, [this, &mode, work, done = std::move(done)](Result<>) mutable {
        if (work->called_off)
            return shut_tunnel(ctx_, mode, [work, done = std::move(done)](Result<> shut) mutable {
                done(shut ? Result<>(VolumeWorks::called_off(*work)) : std::move(shut));
            });
        if (auto gone_on = go_on(ctx_, mode); !gone_on) return done(std::move(gone_on));
        timers_.came_back(mode);
        run_hooks(ctx_, mode, policy::HookPoint::unlock, std::move(done));
    });
}

void Supervisor::test_finger(Mode& mode, std::string owner, Done done) {
    if (closing_) return done(fail(Code::cancelled, "pmosd is shutting down"));
    if (auto may = finger_may(mode); !may) return done(std::move(may));
    const auto work = works_.ask(mode.name, std::move(owner), "auth-test");
    ask_finger(mode, work, [this, work, done = std::move(done)](Result<> same) mutable {
        works_.end(work);
        done(VolumeWorks::ended(*work, std::move(same)));
    });
}

// In the mode's queue, as any secret is judged, and called off as an unlock is.
void Supervisor::judge_first(Mode& mode, const VolumeWorks::Ticket& work, UniqueFd secret,
                             Done done) {
    if (closing_) return done(fail(Code::cancelled, "pmosd is shutting down"));
    work->yields = true;
    mode.jobs.add(
        [this, &mode, work, secret = std::move(secret)](Done job_done) mutable {
            if (work->called_off) return job_done(VolumeWorks::called_off(*work));
            if (!mode.plan) return job_done(mode.disabled_error());
            const auto& volumes = mode.plan->volumes;
            const auto asks = std::ranges::find_if(volumes, needs_secret);
            if (asks == volumes.end())
                return job_done(fail(Code::usage, "mode '" + mode.name + "' has no secret"));
            if (auto ok = check_secret(mode, volumes, secret); !ok) return job_done(std::move(ok));
            work->cancel = [&mode] {
                if (mode.leave_off) mode.leave_off();
            };
            call_volume_worker(ctx_, mode, *asks, volume::Verb::auth_test, std::move(secret),
                               std::move(job_done));
        },
        [work, done = std::move(done)](Result<> judged) mutable {
            work->cancel = {};
            if (judged && work->called_off) judged = VolumeWorks::called_off(*work);
            done(std::move(judged));
        });
}

void Supervisor::enroll_finger(Mode& mode, std::string finger, UniqueFd secret, std::string owner,
                               Done done) {
    if (!is_finger(finger))
        return done(fail(Code::usage, "there is no such finger", printable(finger),
                         "left or right, then thumb, index-finger, middle-finger, ring-finger or "
                         "little-finger: right-index-finger"));
    if (fingerprint_within_ms(mode) == 0) return done(not_enough(mode));
    if (reader_ == nullptr) return done(no_reader());
    const auto work = works_.ask(mode.name, std::move(owner), "auth-enroll");
    auto ended = [this, &mode, work, finger, done = std::move(done)](Result<> enrolled) mutable {
        works_.end(work);
        // Who had it called off may have the mode for somebody else.
        if (enrolled && work->called_off) enrolled = VolumeWorks::called_off(*work);
        if (enrolled) enrolled = vouch(paths_, mode);
        enrolled = VolumeWorks::ended(*work, std::move(enrolled));
        Details details{{"method", "fingerprint"}, {"finger", finger}};
        if (!enrolled) details.emplace_back("error", enrolled.error().message());
        ctx_.observer.event(enrolled ? "auth-enroll" : "auth-enroll-failed", mode.name, details);
        done(std::move(enrolled));
    };
    judge_first(mode, work, std::move(secret),
                [this, &mode, work, finger, ended = std::move(ended)](Result<> judged) mutable {
                    if (!judged) return ended(std::move(judged));
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
    if (fingerprint_within_ms(mode) == 0) return answer(std::vector<std::string>());
    if (reader_ == nullptr) return answer(no_reader());
    reader_->list(user_of(mode), std::move(answer));
}

void Supervisor::remove_fingers(Mode& mode, UniqueFd secret, std::string owner, Done done) {
    const auto work = works_.ask(mode.name, std::move(owner), "auth-remove");
    auto ended = [this, work, done = std::move(done)](Result<> result) mutable {
        works_.end(work);
        done(VolumeWorks::ended(*work, std::move(result)));
    };
    judge_first(mode, work, std::move(secret),
                [this, &mode, ended = std::move(ended)](Result<> judged) mutable {
                    if (!judged) return ended(std::move(judged));
                    // First: from here on no finger is enough, whatever becomes of the prints.
                    if (auto gone = vouch_no_more(paths_, mode); !gone)
                        return ended(std::move(gone));
                    ctx_.observer.event("auth-remove", mode.name, {{"method", "fingerprint"}});
                    remove_prints(mode, [ended = std::move(ended)](Result<> removed) mutable {
                        if (!removed)
                            removed.error().what =
                                "no finger is enough any more, but the prints stay: " +
                                removed.error().what;
                        ended(std::move(removed));
                    });
                });
}

void Supervisor::remove_prints(const Mode& mode, Done done) {
    if (reader_ == nullptr) return done(no_reader());
    reader_->remove(user_of(mode), std::move(done));
}

// Of a mode whose keys are gone, or are somebody else's: its fingers are enough for nothing from
// here on.
void Supervisor::disown_fingers(const Mode& mode) {
    if (auto gone = vouch_no_more(paths_, mode); !gone)
        ctx_.observer.event("fingerprints-kept", mode.name, {{"error", gone.error().message()}});
}

// And their prints go, where that can be.
void Supervisor::forget_fingers(const Mode& mode) {
    disown_fingers(mode);
    if (fingerprint_within_ms(mode) == 0) return;
    remove_prints(mode, [this, name = mode.name](Result<> result) {
        if (!result)
            ctx_.observer.event("fingerprints-kept", name, {{"error", result.error().message()}});
    });
}

}  // namespace pmos::daemon
