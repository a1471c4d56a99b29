// bundle: which slot is good, which is tried, and below what version nothing is used. A value and
// what becomes of it; touches no file.
#include "runtime/bundle/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace pmos::bundle {
namespace {

constexpr std::string_view kHead = "pmos-policy-slots 1\n";

std::string_view name_of(const std::optional<Slot>& slot) {
    return !slot ? "none" : *slot == Slot::a ? "a" : "b";
}

bool parse_slot(std::string_view text, std::optional<Slot>& out) {
    if (text == "a") out = Slot::a;
    if (text == "b") out = Slot::b;
    return text == "a" || text == "b" || text == "none";
}

std::string_view kept_in(bool keeper) { return keeper ? "file-and-tpm" : "file"; }

template <class T>
bool parse_number(std::string_view text, T& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string slot_file(Slot slot) { return slot == Slot::a ? "a.bundle" : "b.bundle"; }

Ledger Ledger::without_trial(std::string why) const {
    Ledger next = *this;
    next.trial.reset();
    next.tries = 0;
    next.fallen = printable(why);
    return next;
}

Ledger Ledger::with_trial(Slot slot) const {
    Ledger next = without_trial("");
    next.trial = slot;
    return next;
}

Ledger Ledger::with_try() const {
    Ledger next = *this;
    ++next.tries;
    return next;
}

Ledger Ledger::without_tries() const {
    Ledger next = *this;
    next.tries = 0;
    return next;
}

Ledger Ledger::confirmed(std::uint64_t version) const {
    Ledger next = without_trial("");
    next.good = trial;
    next.floor = std::max(floor, version);
    return next;
}

std::string write_ledger(const Ledger& ledger) {
    return fmt::format("{}floor {}\ngood {}\ntrial {}\ntries {}\nfallen {}\nkept {}\n", kHead,
                       ledger.floor, name_of(ledger.good), name_of(ledger.trial), ledger.tries,
                       ledger.fallen, kept_in(ledger.in_keeper));
}

Result<Ledger> read_ledger(std::string_view text) {
    const auto bad = [] {
        return fail(Code::failed, "the record of policy slots cannot be read",
                    "it is damaged, or of another version of pmos",
                    "see docs/bundles.md, Recovery");
    };
    if (!text.starts_with(kHead)) return bad();
    text.remove_prefix(kHead.size());
    const auto value = [&](std::string_view key) -> std::optional<std::string_view> {
        const auto line = text.substr(0, text.find('\n'));
        if (line.size() == text.size() || !line.starts_with(key) || line.size() <= key.size() ||
            line[key.size()] != ' ')
            return std::nullopt;
        text.remove_prefix(line.size() + 1);
        return line.substr(key.size() + 1);
    };
    Ledger out;
    const auto floor = value("floor"), good = value("good"), trial = value("trial"),
               tries = value("tries"), fallen = value("fallen"), kept = value("kept");
    if (!floor || !good || !trial || !tries || !fallen || !kept || !text.empty() ||
        !parse_number(*floor, out.floor) || !parse_slot(*good, out.good) ||
        !parse_slot(*trial, out.trial) || !parse_number(*tries, out.tries) ||
        (out.trial && out.trial == out.good) || (*kept != kept_in(false) && *kept != kept_in(true)))
        return bad();
    out.fallen = *fallen;
    out.in_keeper = *kept == kept_in(true);
    return out;
}

}  // namespace pmos::bundle
