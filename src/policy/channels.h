// policy: the flows between modes, gathered by what they go through: two hundred modes with one
// hook are one channel, not forty thousand flows. Asks no host.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy/separation.h"

namespace pmos::policy {

struct Channel {
    Control control{};
    Resource kind{};
    std::string resource;  // of two directories the longer one, which both ends reach
    std::string by;        // who arbitrates, "" where nobody does
    bool enforced = true;  // false: an end is not granted by this build yet
    std::set<std::uint32_t> senders, receivers;              // indices of modes
    std::set<std::pair<std::uint32_t, std::uint32_t>> ends;  // mode, access
    std::vector<Location> consents;                          // where the owner accepts it
};

// What a flow goes through.
struct Passage {
    const Access& at;     // of two directories the longer one, which both ends reach
    std::string_view by;  // who arbitrates, "" where nobody does
};
Passage passage_of(const Separation& separation, const Flow& flow);

// In the order of the flows: what nobody controls comes first.
std::vector<Channel> channels(const Separation& separation);

}  // namespace pmos::policy
