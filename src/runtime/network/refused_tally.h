// network: of what is refused to a mode again and again, how often. Pure. A mode has refused what
// it likes, as often as it likes: what is kept and told of it is bounded.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/network/refusal.h"

namespace pmos::network {

class RefusedTally {
  public:
    static constexpr std::size_t kMost = 128;  // of different ones between two turns
    static constexpr std::chrono::seconds kTurn{10};

    // What is to be told now: the first of its kind is.
    std::optional<Refusal> add(Refusal refusal);
    // Some that nobody saw.
    void miss() noexcept { ++untold_; }
    // What is to be told each kTurn: what came again, with how often, and of how many nothing was
    // told. What did not is forgotten.
    std::vector<Refusal> turn();
    bool empty() const noexcept { return seen_.empty() && untold_ == 0; }

  private:
    struct Seen {
        Refusal refusal;
        std::uint64_t more = 0;
    };
    std::map<std::string, Seen> seen_;
    std::uint64_t untold_ = 0;
};

}  // namespace pmos::network
