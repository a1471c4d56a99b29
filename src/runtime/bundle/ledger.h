// bundle: which slot is good, which is tried, and below what version nothing is used. A value and
// what becomes of it; touches no file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pmos::bundle {

// One for the good bundle, one for the trial, one to write the next into: while it is written,
// nothing that is used gives way.
enum class Slot : std::uint8_t { a, b, c };
std::string slot_file(Slot slot);  // "a.bundle"

// A slot and the contents that it must have to count.
struct Held {
    Slot slot{};
    std::string sha256;  // hex

    bool operator==(const Held&) const = default;
};

struct Ledger {
    std::uint64_t floor = 0;
    std::optional<Held> good;   // confirmed; its version is the floor
    std::optional<Held> trial;  // installed, not confirmed
    std::uint32_t tries = 0;    // starts of pmosd with the trial that nobody ended in order
    std::string fallen;         // why the last trial was given up
    bool in_keeper = false;     // a keeper beside this one has the floor, too

    bool operator==(const Ledger&) const = default;

    // Neither the good one's nor the trial's.
    Slot free_slot() const noexcept;
    Ledger without_trial(std::string why) const;
    Ledger with_trial(Held held) const;
    Ledger with_try() const;
    Ledger without_tries() const;
    Ledger confirmed(std::uint64_t version) const;
};

std::string write_ledger(const Ledger& ledger);
// Strict: what cannot be read is no reason to begin again at floor 0.
Result<Ledger> read_ledger(std::string_view text);

}  // namespace pmos::bundle
