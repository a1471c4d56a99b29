// volume: which way of mapping a volume is the fastest on this device, by what was measured. Pure:
// no host reads, no clock.
#include "runtime/volume/flag_choice.h"

#include <algorithm>
#include <cmath>

namespace pmos::volume {
namespace {

constexpr double kClearly = 1.10, kNotWorse = 0.97;
constexpr double kMostRounds = 0.8;

using Works = std::vector<Work>;
const Works kReads{Work::small_reads, Work::large_reads};
const Works kWrites{Work::small_writes, Work::large_writes};
const Works kAll{Work::small_reads, Work::large_reads, Work::small_writes, Work::large_writes};

double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::ranges::nth_element(values, middle);
    return *middle;
}

double mean(const std::vector<double>& factors) {
    double logs = 0;
    for (const double factor : factors) logs += std::log(factor);
    return std::exp(logs / static_cast<double>(factors.size()));
}

double factor(const Candidate& base, const Candidate& other, std::size_t round, Work work) {
    const auto at = static_cast<std::size_t>(work);
    return base.rounds[round][at] / other.rounds[round][at];
}

// How many times as fast as base; 0 where it is not clearly so.
double gain(const Candidate& base, const Candidate& other, const Works& works) {
    const std::size_t rounds = std::min(base.rounds.size(), other.rounds.size());
    if (rounds == 0) return 0;
    std::vector<double> medians;
    for (const Work work : works) {
        std::vector<double> each;
        for (std::size_t i = 0; i < rounds; ++i) each.push_back(factor(base, other, i, work));
        medians.push_back(median(std::move(each)));
    }
    std::size_t won = 0;
    for (std::size_t i = 0; i < rounds; ++i) {
        std::vector<double> each;
        for (const Work work : works) each.push_back(factor(base, other, i, work));
        won += mean(each) > 1 ? 1 : 0;
    }
    const bool steady = static_cast<double>(won) >= kMostRounds * static_cast<double>(rounds);
    const bool clear = mean(medians) >= kClearly && *std::ranges::min_element(medians) >= kNotWorse;
    return steady && clear ? mean(medians) : 0;
}

}  // namespace

std::vector<Candidate> flag_candidates() {
    std::vector<Candidate> candidates(4);
    candidates[1].flags.inline_reads = candidates[1].flags.inline_writes = true;
    candidates[2].flags.same_cpu = true;
    candidates[3].flags.submit_from_crypt_cpus = true;
    return candidates;
}

MapFlags choose_flags(std::span<const Candidate> candidates) {
    const Candidate& base = candidates.front();
    MapFlags best = base.flags;
    double most = 0;
    for (const auto& candidate : candidates.subspan(1)) {
        if (candidate.flags.inline_reads && candidate.flags.inline_writes) {
            MapFlags flags;
            flags.inline_reads = gain(base, candidate, kReads) > 0;
            flags.inline_writes = gain(base, candidate, kWrites) > 0;
            // They save the way to another thread and back, which nothing else does.
            if (flags != base.flags) return flags;
        } else if (const double times = gain(base, candidate, kAll); times > most) {
            most = times;
            best = candidate.flags;
        }
    }
    return best;
}

}  // namespace pmos::volume
