// bundle: which slot is good, which is tried, and below what version nothing is used. A value and
// what becomes of it; touches no file.
#include "runtime/bundle/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include "base/text.h"
#include "policy/hash.h"

namespace pmos::bundle {
namespace {

constexpr std::string_view kMagic = "pmos-policy-slots ", kHead = "pmos-policy-slots 2\n";
constexpr std::string_view kSum = "sum ";
constexpr std::array kSlots{Slot::a, Slot::b, Slot::c};
constexpr std::size_t kDigest = 64;

char letter(Slot slot) { return static_cast<char>('a' + static_cast<int>(slot)); }

std::string text_of(const std::optional<Held>& held) {
    return held ? fmt::format("{} {}", letter(held->slot), held->sha256) : "none";
}

bool parse_held(std::string_view text, std::optional<Held>& out) {
    if (text == "none") return true;
    const auto slot =
        std::ranges::find(kSlots, text.empty() ? '\0' : text[0], [](Slot s) { return letter(s); });
    if (slot == kSlots.end() || text.size() != kDigest + 2 || text[1] != ' ' ||
        text.find_first_not_of("0123456789abcdef", 2) != text.npos)
        return false;
    out = Held{*slot, std::string(text.substr(2))};
    return true;
}

std::string sum_of(std::string_view text) {
    return policy::sha256_hex(std::as_bytes(std::span(text.data(), text.size())));
}

std::unexpected<Error> unreadable(std::string why) {
    return fail(Code::failed, "the record of policy slots cannot be read", std::move(why),
                "see docs/bundles.md, Recovery");
}

// What stands between the head and the checksum, once both are right.
Result<std::string_view> body_of(std::string_view text) {
    if (!text.starts_with(kHead)) {
        if (!text.starts_with(kMagic))
            return unreadable("it is damaged: its first line is not one");
        const auto line = text.substr(0, std::min<std::size_t>(text.find('\n'), 40));
        return unreadable(
            fmt::format("it is of another version of pmos: it begins with '{}', not '{}'",
                        printable(line), kHead.substr(0, kHead.size() - 1)));
    }
    const std::size_t tail = kSum.size() + kDigest + 1;
    if (text.size() < kHead.size() + tail) return unreadable("it is damaged: it was cut off");
    const auto head = text.substr(0, text.size() - tail), sum = text.substr(text.size() - tail);
    if (sum != fmt::format("{}{}\n", kSum, sum_of(head)))
        return unreadable("it is damaged: its checksum is not that of its contents");
    return head.substr(kHead.size());
}

std::string_view kept_in(bool keeper) { return keeper ? "file-and-tpm" : "file"; }

template <class T>
bool parse_number(std::string_view text, T& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string slot_file(Slot slot) { return fmt::format("{}.bundle", letter(slot)); }

Slot Ledger::free_slot() const noexcept {
    const auto taken = [this](Slot s) {
        return (good && good->slot == s) || (trial && trial->slot == s);
    };
    return *std::ranges::find_if_not(kSlots, taken);
}

Ledger Ledger::without_trial(std::string why) const {
    Ledger next = *this;
    next.trial.reset();
    next.tries = 0;
    next.fallen = printable(why);
    return next;
}

Ledger Ledger::with_trial(Held held) const {
    Ledger next = without_trial("");
    next.trial = std::move(held);
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
    const std::string text =
        fmt::format("{}floor {}\ngood {}\ntrial {}\ntries {}\nfallen {}\nkept {}\n", kHead,
                    ledger.floor, text_of(ledger.good), text_of(ledger.trial), ledger.tries,
                    ledger.fallen, kept_in(ledger.in_keeper));
    return fmt::format("{}{}{}\n", text, kSum, sum_of(text));
}

Result<Ledger> read_ledger(std::string_view whole) {
    PMOS_ASSIGN(auto text, body_of(whole));
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
        !parse_number(*floor, out.floor) || !parse_held(*good, out.good) ||
        !parse_held(*trial, out.trial) || !parse_number(*tries, out.tries) ||
        (out.trial && out.good && out.trial->slot == out.good->slot) ||
        (*kept != kept_in(false) && *kept != kept_in(true)))
        return unreadable("its checksum is right and its contents make no sense");
    out.fallen = *fallen;
    out.in_keeper = *kept == kept_in(true);
    return out;
}

}  // namespace pmos::bundle
