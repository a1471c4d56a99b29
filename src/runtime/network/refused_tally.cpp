// network: of what is refused to a mode again and again, how often. Pure.
#include "runtime/network/refused_tally.h"

#include <fmt/format.h>

#include <utility>

namespace pmos::network {

std::optional<Refusal> RefusedTally::add(Refusal refusal) {
    const auto key = fmt::format("{} {} {} {} {}", refusal.inbound, refusal.uid, refusal.reason,
                                 refusal.destination, refusal.name);
    const auto at = seen_.find(key);
    if (at != seen_.end()) {
        at->second.more += refusal.times;
        return std::nullopt;
    }
    if (seen_.size() >= kMost) {
        untold_ += refusal.times;
        return std::nullopt;
    }
    seen_.emplace(key, Seen{refusal, 0});
    return refusal;
}

std::vector<Refusal> RefusedTally::turn() {
    std::vector<Refusal> told;
    std::erase_if(seen_, [](const auto& entry) { return entry.second.more == 0; });
    for (auto& [key, seen] : seen_) {
        told.push_back(seen.refusal);
        told.back().times = std::exchange(seen.more, 0);
    }
    if (untold_ == 0) return told;
    Refusal rest;
    rest.reason = kUntold;
    rest.times = std::exchange(untold_, 0);
    told.push_back(std::move(rest));
    return told;
}

}  // namespace pmos::network
