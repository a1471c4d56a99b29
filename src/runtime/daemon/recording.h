// daemon: what a mode that is recorded was seen to need. Values only; lets nothing through itself.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/daemon/context.h"

namespace pmos::daemon {

// pmosctl policy record: the mode runs under a plan of its own and ends with the recording.
struct Recording {
    static constexpr std::size_t kMaxSeen = 1024;

    struct Seen {
        std::uint64_t times = 0;
        Details details;  // as an event of the kind `denied` has them, with key and value
    };
    std::map<std::string, Seen> seen;  // by what tells one from another
    std::uint64_t lost = 0;            // more kinds than are kept
};

}  // namespace pmos::daemon
