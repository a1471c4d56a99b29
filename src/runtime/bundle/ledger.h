// bundle: which slot is good, which is tried, and below what version nothing is used. A value and
// what becomes of it; touches no file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pmos::bundle {

enum class Slot : std::uint8_t { a, b };
std::string slot_file(Slot slot);  // "a.bundle"

struct Ledger {
    std::uint64_t floor = 0;
    std::optional<Slot> good;   // confirmed; its version is the floor
    std::optional<Slot> trial;  // installed, not confirmed
    std::uint32_t tries = 0;    // starts of pmosd with the trial that nobody ended in order
    std::string fallen;         // why the last trial was given up
    bool in_keeper = false;     // a keeper beside this one has the floor, too

    bool operator==(const Ledger&) const = default;

    // Never the good one's.
    Slot free_slot() const noexcept { return good == Slot::a ? Slot::b : Slot::a; }
    Ledger without_trial(std::string why) const;
    Ledger with_trial(Slot slot) const;
    Ledger with_try() const;
    Ledger without_tries() const;
    Ledger confirmed(std::uint64_t version) const;
};

std::string write_ledger(const Ledger& ledger);
// Strict: what cannot be read is no reason to begin again at floor 0.
Result<Ledger> read_ledger(std::string_view text);

}  // namespace pmos::bundle
