// bundle: install, start, confirm and reject, on two slots and a ledger. Every one of them can be
// cut off anywhere and leaves what was before or what it was to bring about.
#include "runtime/bundle/slots.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/hash.h"

namespace pmos::bundle {
namespace {

constexpr const char* kLedger = "slots";
constexpr std::size_t kMaxLedger = 64U << 10;

std::string hash_of(const std::string& bytes) {
    return policy::sha256_hex(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

}  // namespace

Result<> Slots::load() {
    const auto text = disk_.read(kLedger, kMaxLedger);
    if (!text && text.error().code != Code::not_found) return fail(text.error());
    if (text) {
        PMOS_ASSIGN(ledger_, read_ledger(*text));
    }
    PMOS_TRY(floor_.settle(ledger_));
    take_floor_of_good();
    if (!floor_.keeper_has_it()) return {};
    auto next = ledger_;
    next.in_keeper = true;
    // On a storage that is full it is noted another time: the keeper's word counts all the same.
    static_cast<void>(save(next));
    return {};
}

// A ledger that was set back alone does not take the floor along. And what was confirmed may not
// have reached its keeper: power went in between, or it refused.
void Slots::take_floor_of_good() {
    if (!ledger_.good) return;
    const auto name = slot_file(ledger_.good->slot);
    const auto bytes = disk_.read(name, policy::kMaxBundle);
    if (!bytes) return;
    const auto good = policy::open_bundle(name, *bytes, phone_.trusted);
    if (!good) return;
    floor_.ledger_has(good->bundle.version);
    // A keeper cannot be set back: only by what was confirmed here, not by any genuine bundle that
    // somebody has put into the slot.
    const auto& made_for = good->bundle.made_for;
    if (hash_of(*bytes) == ledger_.good->sha256 && good->bundle.version == ledger_.floor &&
        (made_for == "any" || made_for == phone_.model))
        floor_.raise(ledger_.floor);
}

Result<> Slots::save(const Ledger& next) {
    if (next == ledger_) return {};
    PMOS_TRY(replace(disk_, kLedger, write_ledger(next)));
    ledger_ = next;
    floor_.ledger_has(next.floor);
    return {};
}

Result<> Slots::meant_for_us(const policy::Bundle& bundle) const {
    if (bundle.made_for != "any" && bundle.made_for != phone_.model)
        return fail(
            Code::denied, fmt::format("{} is not for this phone", bundle.label()),
            phone_.model.empty()
                ? fmt::format("it is for '{}', and this phone does not say what it is",
                              bundle.made_for)
                : fmt::format("it is for '{}', and this is '{}'", bundle.made_for, phone_.model),
            "the phone's model stands in handset.json");
    if (bundle.version < floor_.version())
        return fail(
            Code::denied, fmt::format("{} is too old", bundle.label()),
            fmt::format("this phone has used version {}, and versions only rise", floor_.version()),
            "have the policy packed and signed with a higher version");
    return {};
}

Result<Slots::Candidate> Slots::examine(const std::string& name, const std::string& bytes) const {
    PMOS_ASSIGN(auto genuine, policy::open_bundle(name, bytes, phone_.trusted));
    PMOS_TRY(meant_for_us(genuine.bundle));
    Report report;
    PMOS_ASSIGN(report.pins, phone_.check_pins(genuine.bundle));
    report.file = name;
    report.sha256 = hash_of(bytes);
    report.name = genuine.bundle.name;
    report.made_for = genuine.bundle.made_for;
    report.version = genuine.bundle.version;
    report.key = policy::to_hex(policy::key_id(genuine.key));
    return Candidate{std::move(genuine), std::move(report)};
}

Result<Slots::Candidate> Slots::examine(const Held& held) const {
    const std::string name = slot_file(held.slot);
    PMOS_ASSIGN(const auto bytes, disk_.read(name, policy::kMaxBundle));
    if (hash_of(bytes) != held.sha256)
        return fail(Code::failed, fmt::format("'{}' is not used", name),
                    "it is not what was installed there",
                    "install the newest bundle; see docs/bundles.md, Recovery");
    return examine(name, bytes);
}

// A storage that is full must not leave the phone without the good one: what cannot be written
// down holds for this answer, and is found again at the next start.
void Slots::give_up(const std::string& why) {
    const Ledger next = ledger_.without_trial(why);
    const auto saved = save(next);
    if (saved) return;
    ledger_ = next;
    unsaved_ = saved.error().message();
}

// Before it is tried: a trial that takes the phone down has been tried. One whose starts cannot be
// counted would be tried for ever, so it is not.
void Slots::count_try() {
    const auto counted = save(ledger_.with_try());
    if (counted) return;
    unsaved_ = counted.error().message();
    ledger_ = ledger_.without_trial("its starts cannot be counted: " + unsaved_);
}

Result<> Slots::on_trial(const std::string& sha256) const {
    if (!ledger_.trial) return fail(Code::usage, "no policy waits to be confirmed");
    if (sha256.empty() || sha256 == ledger_.trial->sha256) return {};
    return fail(Code::usage, "that policy does not wait to be confirmed any more",
                "another one is on trial by now", "see: pmosctl policy status");
}

// Reports the trial if it can be used, else gives it up for the good one.
Result<Report> Slots::choose() {
    Report report;
    if (ledger_.trial) {
        auto candidate = examine(*ledger_.trial);
        if (candidate && ledger_.tries > kMaxTries)
            candidate =
                fail(Code::failed, fmt::format("{} did not come up in {} starts",
                                               candidate->genuine.bundle.label(), kMaxTries));
        if (candidate) {
            report = std::move(candidate->report);
            report.trial = true;
        } else {
            give_up(candidate.error().message());
        }
    }
    if (!report.usable() && ledger_.good) {
        auto candidate = examine(*ledger_.good);
        if (candidate) {
            report = std::move(candidate->report);
        } else {
            report.why = candidate.error().message();
            report.fix = candidate.error().fix;
        }
    }
    if (!report.usable() && report.why.empty())
        report.why = ledger_.fallen.empty() ? "no policy bundle is installed" : ledger_.fallen;
    report.tries = ledger_.tries;
    report.floor = floor_.version();
    report.fallen = ledger_.fallen;
    report.floor_kept = floor_.kept_in();
    report.floor_fault = floor_.fault();
    report.unsaved = unsaved_;
    return report;
}

Result<Report> Slots::current(const std::string& in_use) {
    PMOS_TRY(load());
    if (ledger_.trial && !in_use.empty() && ledger_.trial->sha256 != in_use) count_try();
    return choose();
}

Result<Report> Slots::start() {
    PMOS_TRY(load());
    if (ledger_.trial) count_try();
    return choose();
}

Result<Report> Slots::ended() {
    PMOS_TRY(load());
    PMOS_TRY(save(ledger_.without_tries()));
    return choose();
}

// A version says which of two policies is the later one, so it is used once.
Result<> Slots::newer_than_good(const policy::Bundle& bundle, const std::string& bytes) const {
    if (!ledger_.good || bundle.version > floor_.version()) return {};
    const auto good = disk_.read(slot_file(ledger_.good->slot), policy::kMaxBundle);
    if (good && *good == bytes && hash_of(bytes) == ledger_.good->sha256)
        return fail(Code::already_exists, fmt::format("{} is installed", bundle.label()));
    // The good one cannot be used any more: this repairs it.
    if (!examine(*ledger_.good)) return {};
    return fail(Code::denied, fmt::format("{} is not newer", bundle.label()),
                fmt::format("version {} is in use, with other contents", floor_.version()),
                "have the policy packed and signed with a higher version");
}

Result<Report> Slots::stage(const std::string& bytes) {
    PMOS_TRY(load());
    PMOS_ASSIGN(auto candidate, examine("the bundle", bytes));
    PMOS_TRY(newer_than_good(candidate.genuine.bundle, bytes));
    // Nothing points at that slot before the ledger does.
    candidate.report.file = slot_file(ledger_.free_slot());
    PMOS_TRY(replace(disk_, candidate.report.file, bytes));
    candidate.report.floor = floor_.version();
    candidate.report.trial = true;
    return std::move(candidate.report);
}

Result<Report> Slots::go_over(const std::string& sha256) {
    PMOS_TRY(load());
    Held held{ledger_.free_slot(), sha256};
    PMOS_ASSIGN(const auto bytes, disk_.read(slot_file(held.slot), policy::kMaxBundle));
    PMOS_ASSIGN(const auto candidate, examine(held));
    PMOS_TRY(newer_than_good(candidate.genuine.bundle, bytes));
    PMOS_TRY(save(ledger_.with_trial(std::move(held)).with_try()));
    return choose();
}

Result<Report> Slots::install(const std::string& bytes) {
    PMOS_TRY(stage(bytes));
    PMOS_TRY(save(ledger_.with_trial({ledger_.free_slot(), hash_of(bytes)})));
    return choose();
}

Result<Report> Slots::confirm(const std::string& sha256) {
    PMOS_TRY(load());
    PMOS_TRY(on_trial(sha256));
    PMOS_ASSIGN(const auto candidate, examine(*ledger_.trial));
    // The ledger first: a keeper that is behind is raised at the next start, one that is ahead of
    // the ledger would lock the good slot out.
    PMOS_TRY(save(ledger_.confirmed(candidate.report.version)));
    floor_.raise(candidate.report.version);
    return choose();
}

Result<Report> Slots::reject(const std::string& why, const std::string& sha256) {
    PMOS_TRY(load());
    PMOS_TRY(on_trial(sha256));
    give_up(why);
    return choose();
}

}  // namespace pmos::bundle
