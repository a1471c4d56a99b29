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

std::size_t rounds_of(const Candidate& base, const Candidate& other) {
    return std::min(base.rounds.size(), other.rounds.size());
}

std::size_t rounds_lost(const Candidate& base, const Candidate& other, const Works& works) {
    std::size_t lost = 0;
    for (std::size_t i = 0; i < rounds_of(base, other); ++i) {
        std::vector<double> each;
        for (const Work work : works) each.push_back(factor(base, other, i, work));
        lost += mean(each) > 1 ? 0 : 1;
    }
    return lost;
}

bool is_steady(std::size_t lost, std::size_t rounds) {
    return static_cast<double>(rounds - lost) >= kMostRounds * static_cast<double>(rounds);
}

bool is_judged_apart(const Candidate& candidate) {
    return candidate.flags.inline_reads && candidate.flags.inline_writes;
}

// How many times as fast as base; 0 where it is not clearly so.
double gain(const Candidate& base, const Candidate& other, const Works& works) {
    const std::size_t rounds = rounds_of(base, other);
    if (rounds == 0 || !is_steady(rounds_lost(base, other, works), rounds)) return 0;
    std::vector<double> medians;
    for (const Work work : works) {
        std::vector<double> each;
        for (std::size_t i = 0; i < rounds; ++i) each.push_back(factor(base, other, i, work));
        medians.push_back(median(std::move(each)));
    }
    const bool clear = mean(medians) >= kClearly && *std::ranges::min_element(medians) >= kNotWorse;
    return clear ? mean(medians) : 0;
}

}  // namespace

std::vector<Candidate> flag_candidates() {
    std::vector<Candidate> candidates(4);
    candidates[1].flags.inline_reads = candidates[1].flags.inline_writes = true;
    candidates[2].flags.same_cpu = true;
    candidates[3].flags.submit_from_crypt_cpus = true;
    return candidates;
}

bool may_win(const Candidate& base, const Candidate& other, std::size_t rounds) {
    const auto may = [&](const Works& works) {
        return is_steady(rounds_lost(base, other, works), rounds);
    };
    return is_judged_apart(other) ? may(kReads) || may(kWrites) : may(kAll);
}

MapFlags choose_flags(std::span<const Candidate> candidates) {
    const Candidate& base = candidates.front();
    MapFlags best = base.flags;
    double most = 0;
    for (const auto& candidate : candidates.subspan(1)) {
        if (is_judged_apart(candidate)) {
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
