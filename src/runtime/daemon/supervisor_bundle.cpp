// daemon: how the supervisor comes to its policy, tries a new one and falls back. See supervisor.h.
#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <algorithm>

#include "runtime/daemon/journal.h"
#include "runtime/daemon/policy_files.h"
#include "runtime/daemon/supervisor.h"
#include "runtime/host/facts.h"

namespace pmos::daemon {

namespace {

std::string label_of(const bundle::Report& report) {
    return fmt::format("{}@{}", report.name, report.version);
}

bundle::Report unusable(const Error& error) {
    bundle::Report report;
    report.why = error.message();
    return report;
}

}  // namespace

std::string Supervisor::model() const { return host::handset_model(paths_.handset); }

Result<> Supervisor::begin_policy() {
    PMOS_ASSIGN(facts_, read_facts());
    if (!source_.signed_only()) {
        take_directory();
        return {};
    }
    sd_notify(0, "EXTEND_TIMEOUT_USEC=600000000\nSTATUS=Verifying the policy");
    auto report = source_.ask_now({.verb = "start"}, model());
    if (report && report->trial) {
        const auto set = PolicySource::load(*report);
        const std::string fault = set ? fault_in(*set) : set.error().message();
        if (!fault.empty()) report = source_.ask_now({.verb = "reject", .why = fault}, model());
    }
    take_bundle(std::move(report));
    return {};
}

Supervisor::Changed Supervisor::take_directory() {
    bundle_.reset();
    confirm_later_.reset();
    pinned_.take({});
    policy_ = load_policy(paths_, directory_);
    return take_policy();
}

// What cannot be verified leaves no mode standing, but a pmosd that can be asked why.
Supervisor::Changed Supervisor::take_bundle(Result<bundle::Report> report) {
    const std::string fallen_before = bundle_ ? bundle_->fallen : "";
    bundle_ = report ? std::move(*report) : unusable(report.error());
    policy_ = {};
    directory_.clear();
    if (bundle_->usable()) {
        auto set = PolicySource::load(*bundle_);
        if (set)
            policy_ = std::move(*set);
        else
            bundle_ = unusable(set.error());
    }
    pinned_.take(bundle_->pins);
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
        if (auto fault = first(policy::compile(*mode.profile, facts_).diagnostics); !fault.empty())
            return fault;
    }
    return set.modes.empty() ? "it has no mode" : "";
}

// A trial that this phone cannot have is given up before it displaces anything.
void Supervisor::judge(bundle::Report report, Answer<bundle::Report> answer) {
    const auto set = report.trial ? PolicySource::load(report) : policy::PolicySet();
    const std::string fault = !report.trial ? "" : set ? fault_in(*set) : set.error().message();
    if (fault.empty()) return answer(std::move(report));
    source_.ask({.verb = "reject", .why = fault}, model(),
                [fault, answer = std::move(answer)](Result<bundle::Report> rest) mutable {
                    auto refused = fail(Code::unsupported, "this phone cannot have that policy",
                                        fault, "the policy from before is used");
                    if (!rest) refused.error().undo_failures.push_back(std::move(rest.error()));
                    answer(std::move(refused));
                });
}

void Supervisor::ask_and_take(BundleJob job, Answer<Changed> answer) {
    if (closing_) return answer(fail(Code::cancelled, "pmosd is shutting down"));
    if (!source_.signed_only())
        return answer(
            fail(Code::denied, "no policy bundle can be installed",
                 fmt::format("nobody is trusted to sign one: '{}' holds no key", paths_.trust),
                 "put the signer's .pub file there"));
    auto changed = std::make_shared<Changed>();
    policy_jobs_.add(
        [this, changed, job = std::make_shared<BundleJob>(std::move(job))](Done done) {
            source_.ask(
                std::move(*job), model(),
                [this, changed, done = std::move(done)](Result<bundle::Report> report) mutable {
                    if (!report) return done(fail(std::move(report.error())));
                    judge(std::move(*report), [this, changed, done = std::move(done)](
                                                  Result<bundle::Report> judged) mutable {
                        if (!judged) return done(fail(std::move(judged.error())));
                        *changed = take_bundle(std::move(*judged));
                        done({});
                    });
                });
        },
        [changed, answer = std::move(answer)](Result<> result) mutable {
            if (!result) return answer(fail(std::move(result.error())));
            answer(std::move(*changed));
        });
}

void Supervisor::reload(Answer<Changed> answer) {
    auto facts = read_facts();
    if (!facts) return answer(fail(std::move(facts.error())));
    facts_ = std::move(*facts);
    if (!source_.signed_only()) return answer(take_directory());
    ask_and_take({.verb = "current"},
                 [this, answer = std::move(answer)](Result<Changed> changed) mutable {
                     // What was trusted before and cannot be verified now is not used on.
                     if (!changed && changed.error().code != Code::cancelled)
                         take_bundle(fail(changed.error()));
                     answer(std::move(changed));
                 });
}

void Supervisor::install_policy(UniqueFd file, Answer<std::string> answer) {
    ask_and_take(
        {.verb = "install", .file = std::move(file)},
        [this, answer = std::move(answer)](Result<Changed> changed) mutable {
            if (!changed) {
                ctx_.observer.event("policy-refused", "", {{"error", changed.error().message()}});
                return answer(fail(std::move(changed.error())));
            }
            const std::string label = label_of(*bundle_);
            ctx_.observer.event("policy-installed", "", {{"bundle", label}});
            answer(label);
        });
}

void Supervisor::confirm_policy(Done done) {
    ask_and_take(
        {.verb = "confirm"}, [this, done = std::move(done)](Result<Changed> changed) mutable {
            if (!changed) return done(fail(std::move(changed.error())));
            ctx_.observer.event(
                "policy-confirmed", "",
                {{"bundle", label_of(*bundle_)}, {"floor", fmt::format("{}", bundle_->floor)}});
            done({});
        });
}

void Supervisor::reject_policy(Done done) {
    ask_and_take({.verb = "reject", .why = "it was rejected by hand"},
                 [done = std::move(done)](Result<Changed> changed) mutable {
                     if (!changed) return done(fail(std::move(changed.error())));
                     done({});
                 });
}

void Supervisor::end_policy() {
    if (!bundle_ || !bundle_->trial) return;
    if (const auto ended = source_.ask_now({.verb = "ended"}, model()); !ended)
        journal_error(ended.error());
}

// Good is what a mode has run under, while no other broke.
bool Supervisor::trial_works() const {
    if (!bundle_ || !bundle_->trial) return false;
    return std::ranges::all_of(policy_.modes,
                               [&](const policy::ModePolicy& p) {
                                   const auto mode = modes_.find(p.mode);
                                   return mode != modes_.end() && mode->second->plan &&
                                          mode->second->state != State::failed;
                               }) &&
           std::ranges::any_of(modes_, [](const auto& m) {
               return m.second->alive() && m.second->plan &&
                      m.second->running->digest == m.second->digest;
           });
}

void Supervisor::watch_trial() {
    if (closing_ || !trial_works()) return confirm_later_.reset();
    if (confirm_later_) return;
    confirm_later_ = loop_.after(confirm_after_, [this] {
        confirm_later_.reset();
        if (!trial_works()) return;
        confirm_policy([](Result<> result) {
            if (!result) journal_error(result.error());
        });
    });
}

Details Supervisor::policy_status() const {
    if (!bundle_) return {{"source", "directory"}, {"directory", paths_.profiles}};
    Details out{{"source", bundle_->usable() ? "bundle" : "none"},
                {"floor", fmt::format("{}", bundle_->floor)},
                {"floorKept", bundle_->floor_kept},
                {"floorFault", bundle_->floor_fault},
                {"why", bundle_->why},
                {"fellBack", bundle_->fallen}};
    if (!bundle_->usable()) return out;
    out.insert(out.end(), {{"name", bundle_->name},
                           {"version", fmt::format("{}", bundle_->version)},
                           {"for", bundle_->made_for},
                           {"key", bundle_->key},
                           {"state", bundle_->trial ? "trial" : "confirmed"},
                           {"tries", fmt::format("{}", bundle_->tries)}});
    return out;
}

Result<std::vector<PolicyFile>> Supervisor::profiles() const {
    if (!bundle_) return directory_;
    if (!bundle_->usable()) return fail(Code::not_found, "no policy is used", bundle_->why);
    return PolicySource::files(*bundle_);
}

host::Finding Supervisor::policy_finding() const {
    if (!bundle_)
        return {"note", "policy",
                fmt::format("read from '{}', not signed: whoever can write there decides",
                            paths_.profiles),
                fmt::format("trust a signer: put a .pub file into '{}'", paths_.trust)};
    if (!bundle_->usable())
        return {"error", "policy", "none can be used: " + bundle_->why,
                "pmosctl policy install BUNDLE"};
    const std::string what =
        fmt::format("{}, signed by key {}, floor {} (kept in {})", label_of(*bundle_),
                    bundle_->key.substr(0, 16), bundle_->floor, bundle_->floor_kept);
    if (bundle_->trial)
        return {"note", "policy", what + ": on trial",
                "it is confirmed when a mode has run under it, or by: pmosctl policy confirm"};
    if (!bundle_->fallen.empty())
        return {"warning", "policy",
                fmt::format("{}; a newer one was given up: {}", what, bundle_->fallen),
                "have that mended and install it with a higher version"};
    if (!bundle_->floor_fault.empty())
        return {"warning", "policy",
                fmt::format("{}; the TPM does not keep the floor: {}", what, bundle_->floor_fault),
                "see docs/bundles.md, Floor"};
    return {"ok", "policy", what, ""};
}

}  // namespace pmos::daemon
