// daemon: how the supervisor takes in another policy, tries it, and is told what to make of it. See
// supervisor.h.
#include <fmt/format.h>

#include <algorithm>

#include "runtime/daemon/bundle_words.h"
#include "runtime/daemon/journal.h"
#include "runtime/daemon/supervisor.h"

namespace pmos::daemon {

Result<> Supervisor::takes_bundles() const {
    if (closing_) return fail(Code::cancelled, "pmosd is shutting down");
    if (source_.signed_only()) return {};
    return fail(Code::denied, "no policy bundle can be installed",
                fmt::format("nobody is trusted to sign one: '{}' holds no key", paths_.trust),
                "put the signer's .pub file there");
}

// Verified, written and compiled before anything gives way to it.
void Supervisor::stage(UniqueFd copy, Answer<Changed> answer) {
    source_.ask({.verb = "stage", .file = std::move(copy)}, model(),
                [this, answer = std::move(answer)](Result<bundle::Report> staged) mutable {
                    if (!staged) return answer(fail(std::move(staged.error())));
                    if (auto fault = fault_in(*staged); !fault.empty())
                        return answer(fail(Code::unsupported, "this phone cannot have that policy",
                                           std::move(fault), "the policy from before is used"));
                    go_over(*staged, std::move(answer));
                });
}

void Supervisor::go_over(const bundle::Report& staged, Answer<Changed> answer) {
    source_.ask({.verb = "go-over", .sha256 = staged.sha256}, model(),
                [this, sha256 = staged.sha256,
                 answer = std::move(answer)](Result<bundle::Report> report) mutable {
                    if (!report) return answer(fail(std::move(report.error())));
                    auto changed = take_bundle(std::move(*report));
                    if (bundle_->sha256 == sha256) return answer(std::move(changed));
                    answer(fail(Code::failed, "the policy was given up at once", bundle_->fallen));
                });
}

void Supervisor::install_policy(UniqueFd file, Answer<std::string> answer) {
    auto refuse = [this](Error error, Answer<std::string>& to) {
        ctx_.observer.event("policy-refused", "", {{"error", error.message()}});
        to(fail(std::move(error)));
    };
    if (auto may = takes_bundles(); !may) return refuse(std::move(may.error()), answer);
    // Before the queue: a file may be slow to be read.
    source_.copy(std::move(file), [this, refuse, answer = std::move(answer)](
                                      Result<PolicySource::Copy> copied) mutable {
        if (!copied) return refuse(std::move(copied.error()), answer);
        queue_policy(
            [this, copy = std::move(*copied)](Answer<Changed> taken) mutable {
                stage(std::move(copy.file), std::move(taken));
                copy.place.reset();
            },
            [this, refuse, answer = std::move(answer)](Result<Changed> changed) mutable {
                if (!changed) return refuse(std::move(changed.error()), answer);
                const std::string label = label_of(*bundle_);
                ctx_.observer.event("policy-installed", "", {{"bundle", label}});
                answer(label);
            });
    });
}

void Supervisor::queue_job(BundleJob job, Answer<Changed> answer) {
    if (auto may = takes_bundles(); !may) return answer(fail(std::move(may.error())));
    queue_policy(
        [this, job = std::move(job)](Answer<Changed> taken) mutable {
            ask_and_take(std::move(job), std::move(taken));
        },
        std::move(answer));
}

void Supervisor::confirm(const std::string& sha256, Done done) {
    queue_job({.verb = "confirm", .sha256 = sha256},
              [this, done = std::move(done)](Result<Changed> changed) mutable {
                  if (!changed) return done(fail(std::move(changed.error())));
                  ctx_.observer.event("policy-confirmed", "",
                                      {{"bundle", label_of(*bundle_)},
                                       {"floor", fmt::format("{}", bundle_->floor)}});
                  done({});
              });
}

// Of what is used now, whatever is installed before it is this one's turn.
void Supervisor::confirm_policy(Done done) {
    if (bundle_ && bundle_->trial) return confirm(bundle_->sha256, std::move(done));
    if (auto may = takes_bundles(); !may) return done(std::move(may));
    done(fail(Code::usage, "no policy waits to be confirmed"));
}

// One that waits, and is not used for want of room to count its starts, is rejected as well.
void Supervisor::reject_policy(Done done) {
    queue_job({.verb = "reject",
               .why = "it was rejected by hand",
               .sha256 = bundle_ && bundle_->trial ? bundle_->sha256 : ""},
              [this, done = std::move(done)](Result<Changed> changed) mutable {
                  if (!changed) return done(fail(std::move(changed.error())));
                  if (bundle_->unsaved.empty()) return done({});
                  done(fail(Code::failed, "the policy is rejected until the next start only",
                            bundle_->unsaved, "mend that, and reject it again"));
              });
}

// The worker that was at it has been called off, so the slots are free, or soon are.
void Supervisor::end_policy() {
    if (!bundle_ || !bundle_->trial) return;
    const auto ended = source_.ask_now({.verb = "ended"}, model(), PolicySource::kEndPatience);
    if (!ended) journal_error(ended.error());
}

// Good is what a mode was started under and runs, while no other broke.
bool Supervisor::trial_works() const {
    if (!bundle_ || !bundle_->trial) return false;
    return std::ranges::all_of(policy_.modes,
                               [&](const policy::ModePolicy& p) {
                                   const auto mode = modes_.find(p.mode);
                                   return mode != modes_.end() && mode->second->plan &&
                                          mode->second->state != State::failed;
                               }) &&
           std::ranges::any_of(modes_, [this](const auto& m) {
               return m.second->alive() && m.second->plan &&
                      m.second->running->digest == m.second->digest &&
                      m.second->running->policy == bundle_->sha256;
           });
}

// Of this one trial: another begins from the start.
void Supervisor::watch_trial() {
    if (closing_ || !trial_works()) return confirm_later_.reset();
    if (confirm_later_ && confirm_what_ == bundle_->sha256) return;
    confirm_what_ = bundle_->sha256;
    confirm_later_ = loop_.after(confirm_after_, [this] {
        confirm_later_.reset();
        if (!trial_works() || bundle_->sha256 != confirm_what_) return;
        confirm(confirm_what_, [this](Result<> result) {
            if (result) return;
            journal_error(result.error());
            if (result.error().code == Code::busy) watch_trial();
        });
    });
}

}  // namespace pmos::daemon
