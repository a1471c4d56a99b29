// policy: what /proc tells of the whole machine, and what of that no mode gets to see. The plan's
// masks and the separation proof's counters are both made from this table. Asks no host.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace pmos::policy {

// A mask lies over the path, unless a /proc with processes alone leaves it out. The launcher skips
// a path that this kernel does not have.
enum class Cover : std::uint8_t { none, mask };

struct MachineWide {
    std::string_view path;  // below /proc; a name without a slash is a system call
    Cover cover{};
    std::string_view counts = "";  // the number that every mode moves and a reader sees; "": none
    bool per_process = false;      // there with procSubset "pid" too
};
std::span<const MachineWide> machine_wide();

}  // namespace pmos::policy
