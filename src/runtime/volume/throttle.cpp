// volume: how long no secret of a mode is judged after wrong ones, and the record that says how
// many there were. Values and their text: opens no file, reads no clock, sees no secret.
#include "runtime/volume/throttle.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include "policy/hash.h"

namespace pmos::volume {
namespace {

using namespace std::chrono_literals;
using std::chrono::seconds;

constexpr seconds kDay = 24h, kYear = 365 * kDay;
// The first is of the fifth failure.
constexpr std::array<seconds, 15> kDelays{1min,      5min,       15min, 30min,     90min,
                                          4h,        12h,        36h,   4 * kDay,  13 * kDay,
                                          41 * kDay, 123 * kDay, kYear, 3 * kYear, 9 * kYear};
constexpr std::uint32_t kFree = 4;
static_assert(kFree + kDelays.size() + 1 == kLastFailure);

template <class Number>
bool take(std::string_view& text, std::string_view key, Number& out) {
    if (!text.starts_with(key)) return false;
    text.remove_prefix(key.size());
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return error == std::errc();
}

}  // namespace

std::optional<seconds> delay_after(std::uint32_t failures) {
    if (failures <= kFree) return 0s;
    if (failures >= kLastFailure) return std::nullopt;
    return kDelays.at(failures - kFree - 1);
}

Attempts Attempts::unreadable() {
    Attempts worst;
    worst.failures = kLastFailure - 1;
    return worst;
}

Attempts Attempts::failed(const BootMoment& now) const {
    return {writes, std::min(failures + 1, kLastFailure), now};
}

Attempts Attempts::cleared() const { return {writes, 0, {}}; }

std::optional<seconds> remaining(const Attempts& attempts, const BootMoment& now) {
    const auto delay = delay_after(attempts.failures);
    if (!delay) return std::nullopt;
    // Another boot's delay began again when this boot did. A moment yet to come is no failure of
    // this boot, whatever it is: nothing has been waited.
    auto waited = now.since_boot;
    if (attempts.last.boot_id == now.boot_id)
        waited = std::max(now.since_boot - attempts.last.since_boot, std::chrono::microseconds(0));
    if (waited >= *delay) return 0s;
    return std::chrono::ceil<seconds>(*delay - waited);
}

std::string in_words(seconds wait) {
    struct Unit {
        seconds length;
        std::string_view name;
    };
    constexpr std::array kUnits{Unit{kYear, "y"}, Unit{kDay, "d"}, Unit{1h, "h"}, Unit{1min, "min"},
                                Unit{1s, "s"}};
    for (std::size_t i = 0; i + 1 < kUnits.size(); ++i) {
        const Unit &large = kUnits[i], &small = kUnits[i + 1];
        if (wait < large.length) continue;
        const auto rest = wait % large.length / small.length;
        const auto whole = fmt::format("{} {}", wait / large.length, large.name);
        return rest == 0 ? whole : fmt::format("{} {} {}", whole, rest, small.name);
    }
    return fmt::format("{} s", wait.count());
}

std::string write_record(const Attempts& a) {
    std::string text = fmt::format("pmos-attempts 1\nwrites {}\nfailures {}\nat {}\nboot {}\n",
                                   a.writes, a.failures, a.last.since_boot.count(), a.last.boot_id);
    text += "sum " + policy::sha256_hex(std::as_bytes(std::span(text))) + "\n";
    text.resize(kRecordBytes, '\n');
    return text;
}

std::optional<Attempts> read_record(std::string_view text) {
    Attempts a;
    std::int64_t at = 0;
    std::string_view rest = text;
    if (!take(rest, "pmos-attempts 1\nwrites ", a.writes) ||
        !take(rest, "\nfailures ", a.failures) || !take(rest, "\nat ", at) ||
        !rest.starts_with("\nboot "))
        return std::nullopt;
    rest.remove_prefix(std::string_view("\nboot ").size());
    a.last = {std::string(rest.substr(0, rest.find('\n'))), std::chrono::microseconds(at)};
    // What was written is the only text that reads as this: the sum, the size and the rest of it.
    if (a.last.boot_id.size() > 64 || write_record(a) != text) return std::nullopt;
    return a;
}

}  // namespace pmos::volume
