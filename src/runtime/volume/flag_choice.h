// volume: which way of mapping a volume is the fastest on this device, by what was measured. Pure:
// no host reads, no clock.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/volume/crypt.h"

namespace pmos::volume {

enum class Work : std::uint8_t { small_reads, large_reads, small_writes, large_writes };
inline constexpr std::size_t kWorks = 4;

// What an operation took in one round, in ns.
using Round = std::array<double, kWorks>;

struct Candidate {
    MapFlags flags;
    std::vector<Round> rounds;  // of all candidates in turn: what disturbs one disturbs the others
};

// The flags to try: cryptsetup's defaults first, for all others are held against them.
std::vector<Candidate> flag_candidates();

// Whether it can still be chosen after so many rounds in all: what has lost too many is not worth
// any more of them.
bool may_win(const Candidate& base, const Candidate& other, std::size_t rounds);

// The defaults, unless others are clearly better in the mean and not worse in anything. Reads and
// writes are judged apart where the flags are.
MapFlags choose_flags(std::span<const Candidate> candidates);

}  // namespace pmos::volume
