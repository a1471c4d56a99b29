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
    if (!floor_.keeper_has_it()) return {};
    bring_keeper_up();
    auto next = ledger_;
    next.in_keeper = true;
    // On a storage that is full it is noted another time: the keeper's word counts all the same.
    static_cast<void>(save(next));
    return {};
}

// What was confirmed and has not reached its keeper: power went in between, or it refused.
void Slots::bring_keeper_up() {
    if (!ledger_.good || !floor_.keeper_is_behind()) return;
    const auto name = slot_file(*ledger_.good);
    const auto bytes = disk_.read(name, policy::kMaxBundle);
    if (!bytes) return;
    const auto good = policy::open_bundle(name, *bytes, phone_.trusted);
    if (good && good->bundle.version == ledger_.floor) floor_.raise(ledger_.floor);
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

Result<Slots::Candidate> Slots::examine(Slot slot) const {
    PMOS_ASSIGN(const auto bytes, disk_.read(slot_file(slot), policy::kMaxBundle));
    return examine(slot_file(slot), bytes);
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
            PMOS_TRY(save(ledger_.without_trial(candidate.error().message())));
        }
    }
    if (!report.usable() && ledger_.good) {
        auto candidate = examine(*ledger_.good);
        if (candidate) {
            report = std::move(candidate->report);
        } else {
            report.why = candidate.error().message();
        }
    }
    if (!report.usable() && report.why.empty())
        report.why = ledger_.fallen.empty() ? "no policy bundle is installed" : ledger_.fallen;
    report.tries = ledger_.tries;
    report.floor = floor_.version();
    report.fallen = ledger_.fallen;
    report.floor_kept = floor_.kept_in();
    report.floor_fault = floor_.fault();
    return report;
}

Result<Report> Slots::current() {
    PMOS_TRY(load());
    return choose();
}

Result<Report> Slots::start() {
    PMOS_TRY(load());
    // Counted before it is tried: a trial that takes the phone down has been tried.
    if (ledger_.trial) PMOS_TRY(save(ledger_.with_try()));
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
    const auto good = disk_.read(slot_file(*ledger_.good), policy::kMaxBundle);
    if (good && *good == bytes)
        return fail(Code::already_exists, fmt::format("{} is installed", bundle.label()));
    // The good one cannot be used any more: this repairs it.
    if (!examine(*ledger_.good)) return {};
    return fail(Code::denied, fmt::format("{} is not newer", bundle.label()),
                fmt::format("version {} is in use, with other contents", floor_.version()),
                "have the policy packed and signed with a higher version");
}

Result<Report> Slots::install(const std::string& bytes, bool at_once) {
    PMOS_TRY(load());
    PMOS_ASSIGN(const auto candidate, examine("the bundle", bytes));
    PMOS_TRY(newer_than_good(candidate.genuine.bundle, bytes));
    // Nothing points at the slot while it is written.
    if (ledger_.trial) PMOS_TRY(save(ledger_.without_trial("another was installed in its place")));
    const Slot slot = ledger_.free_slot();
    PMOS_TRY(replace(disk_, slot_file(slot), bytes));
    PMOS_TRY(save(at_once ? ledger_.with_trial(slot).with_try() : ledger_.with_trial(slot)));
    return choose();
}

Result<Report> Slots::confirm() {
    PMOS_TRY(load());
    if (!ledger_.trial) return fail(Code::usage, "no policy waits to be confirmed");
    PMOS_ASSIGN(const auto candidate, examine(*ledger_.trial));
    // The ledger first: a keeper that is behind is raised at the next start, one that is ahead of
    // the ledger would lock the good slot out.
    PMOS_TRY(save(ledger_.confirmed(candidate.report.version)));
    floor_.raise(candidate.report.version);
    return choose();
}

Result<Report> Slots::reject(const std::string& why) {
    PMOS_TRY(load());
    if (!ledger_.trial) return fail(Code::usage, "no policy waits to be confirmed");
    PMOS_TRY(save(ledger_.without_trial(why)));
    return choose();
}

}  // namespace pmos::bundle
