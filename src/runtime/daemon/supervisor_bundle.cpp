// daemon: how the supervisor comes to its policy and falls back from one that this phone cannot
// have. See supervisor.h.
#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <algorithm>

#include "runtime/daemon/bundle_words.h"
#include "runtime/daemon/journal.h"
#include "runtime/daemon/policy_files.h"
#include "runtime/daemon/supervisor.h"
#include "runtime/host/facts.h"

namespace pmos::daemon {

using namespace std::chrono_literals;

namespace {

bundle::Report unusable(const Error& error) {
    bundle::Report report;
    report.why = error.message();
    report.fix = error.fix;
    return report;
}

BundleJob rejection(const bundle::Report& trial, std::string why) {
    return {.verb = "reject", .why = std::move(why), .sha256 = trial.sha256};
}

}  // namespace

std::string Supervisor::model() const { return host::handset_model(paths_.handset); }

// The service manager waits for as long as the worker may take, and a little: for each anew.
Result<bundle::Report> Supervisor::ask_at_start(BundleJob job) const {
    const std::chrono::microseconds limit = PolicySource::kPatience + 1min;
    sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%lld\nSTATUS=Verifying the policy",
               static_cast<long long>(limit.count()));
    return source_.ask_now(std::move(job), model(), PolicySource::kPatience);
}

Result<> Supervisor::begin_policy() {
    PMOS_ASSIGN(facts_, read_facts());
    if (!source_.signed_only()) {
        take_directory();
        return {};
    }
    auto report = ask_at_start({.verb = "start"});
    if (report && report->trial)
        if (auto fault = fault_in(*report); !fault.empty())
            report = ask_at_start(rejection(*report, std::move(fault)));
    take_bundle(std::move(report));
    return {};
}

Supervisor::Changed Supervisor::take_directory() {
    bundle_.reset();
    confirm_later_.reset();
    confirm_what_.clear();
    pinned_.take("", {});
    policy_ = load_policy(paths_, files_);
    return take_policy();
}

// What cannot be verified leaves no mode standing, but a pmosd that can be asked why.
Supervisor::Changed Supervisor::take_bundle(Result<bundle::Report> report) {
    const std::string fallen_before = bundle_ ? bundle_->fallen : "";
    bundle_ = report ? std::move(*report) : unusable(report.error());
    policy_ = {};
    files_.clear();
    if (bundle_->usable()) {
        auto loaded = PolicySource::load(*bundle_);
        if (loaded) {
            policy_ = std::move(loaded->set);
            files_ = std::move(loaded->files);
        } else {
            bundle_ = unusable(loaded.error());
        }
    }
    pinned_.take(bundle_->sha256, bundle_->pins);
    if (!bundle_->usable()) ctx_.observer.event("policy-missing", "", {{"why", bundle_->why}});
    if (!bundle_->fallen.empty() && bundle_->fallen != fallen_before)
        ctx_.observer.event(
            "policy-fell-back", "",
            {{"bundle", bundle_->usable() ? label_of(*bundle_) : ""}, {"why", bundle_->fallen}});
    auto changed = take_policy();
    watch_trial();
    return changed;
}

// Why this phone cannot have all of it; "" when it can.
std::string Supervisor::fault_in(const policy::PolicySet& set) const {
    const auto first = [](const std::vector<policy::Diagnostic>& diagnostics) {
        const auto it =
            std::ranges::find(diagnostics, policy::Severity::error, &policy::Diagnostic::severity);
        return it == diagnostics.end() ? std::string()
                                       : policy::to_text(it->at) + ": " + it->message;
    };
    if (auto fault = first(set.diagnostics); !fault.empty()) return fault;
    for (const auto& mode : set.modes) {
        if (auto fault = first(mode.diagnostics); !fault.empty()) return fault;
        if (!mode.profile) return fmt::format("the profile of '{}' is broken", mode.mode);
        if (auto fault = first(policy::compile(*mode.profile, facts_, {.ask = true}).diagnostics);
            !fault.empty())
            return fault;
    }
    return set.modes.empty() ? "it has no mode" : "";
}

std::string Supervisor::fault_in(const bundle::Report& trial) const {
    const auto loaded = PolicySource::load(trial);
    return loaded ? fault_in(loaded->set) : loaded.error().message();
}

// A trial that this phone cannot have gives way to the good one at once.
void Supervisor::take_or_fall_back(Result<bundle::Report> report, Answer<Changed> answer) {
    if (!report) return answer(fail(std::move(report.error())));
    auto fault = report->trial ? fault_in(*report) : "";
    if (fault.empty()) return answer(take_bundle(std::move(*report)));
    source_.ask(rejection(*report, std::move(fault)), model(),
                [this, answer = std::move(answer)](Result<bundle::Report> rest) mutable {
                    if (!rest) return answer(fail(std::move(rest.error())));
                    answer(take_bundle(std::move(*rest)));
                });
}

// What waits for its turn holds its caller's connection, and what it is about.
Result<> Supervisor::may_queue_policy() const {
    constexpr std::size_t kMaxWaiting = 16;
    if (closing_) return fail(Code::cancelled, "pmosd is shutting down");
    if (policy_jobs_.waiting() < kMaxWaiting) return {};
    return fail(Code::busy, "the policy is busy",
                fmt::format("{} other requests for it wait", kMaxWaiting),
                "try again when they are done, see: pmosctl policy status");
}

void Supervisor::queue_policy(PolicyJob job, Answer<Changed> answer) {
    if (auto may = may_queue_policy(); !may) return answer(fail(std::move(may.error())));
    auto changed = std::make_shared<Changed>();
    policy_jobs_.add(
        [this, changed, job = std::move(job)](Done done) mutable {
            if (closing_) return done(fail(Code::cancelled, "pmosd is shutting down"));
            job([changed, done = std::move(done)](Result<Changed> taken) mutable {
                if (!taken) return done(fail(std::move(taken.error())));
                *changed = std::move(*taken);
                done({});
            });
        },
        [changed, answer = std::move(answer)](Result<> result) mutable {
            if (!result) return answer(fail(std::move(result.error())));
            answer(std::move(*changed));
        });
}

void Supervisor::ask_and_take(BundleJob job, Answer<Changed> answer) {
    source_.ask(std::move(job), model(),
                [this, answer = std::move(answer)](Result<bundle::Report> report) mutable {
                    take_or_fall_back(std::move(report), std::move(answer));
                });
}

// In the queue also where it is a directory: a bundle's job still means the bundle it has taken.
void Supervisor::reload(Answer<Changed> answer) {
    queue_policy([this](Answer<Changed> taken) mutable { reload_job(std::move(taken)); },
                 std::move(answer));
}

void Supervisor::reload_job(Answer<Changed> answer) {
    watch_devices();
    auto facts = read_facts();
    if (!facts) return answer(fail(std::move(facts.error())));
    facts_ = std::move(*facts);
    if (!source_.signed_only()) return answer(take_directory());
    BundleJob job{.verb = "current", .in_use = "none"};
    if (bundle_ && bundle_->usable()) job.in_use = bundle_->sha256;
    ask_and_take(std::move(job),
                 [this, answer = std::move(answer)](Result<Changed> changed) mutable {
                     // What was trusted before and cannot be verified now is not used on.
                     if (!changed && changed.error().code != Code::cancelled)
                         take_bundle(fail(changed.error()));
                     answer(std::move(changed));
                 });
}

Result<std::vector<PolicyFile>> Supervisor::profiles() const {
    if (bundle_ && !bundle_->usable())
        return fail(Code::not_found, "no policy is used", bundle_->why);
    return files_;
}

}  // namespace pmos::daemon
