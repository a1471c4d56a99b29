// policy: the objects of the kernel that no namespace covers, and by which calls a mode gets to
// them. What is not in these tables the separation proof does not see. Asks no host.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "policy/launch_plan.h"
#include "policy/syscall_filter.h"

namespace pmos::policy {

// A system call that opens an object, with the bits of its arguments that matter, all in the lower
// 32 that the kernel looks at.
struct Gate {
    std::string_view syscall;
    std::array<PartialWord, 3> args = {};
};

// A mode's filter, as it is asked about gates.
struct Filter {
    BpfProgram program;
    const Arch& arch;
    // Whether any call through this gate would be let in, whatever its other arguments.
    bool admits(const Gate& gate) const;
};

struct KernelObject {
    std::string_view name, what;
    std::span<const Gate> gates;  // any of them opens it
    std::uint8_t rights = 0;      // Right bits that a gate gives
    // What every mode gives it without a gate: its doings show there.
    bool shows_everyone = false;
    // What the kernel asks for besides, and no mode has: a capability in the initial user
    // namespace, or the initial network namespace.
    std::string_view barrier = "";
};
std::span<const KernelObject> kernel_objects();

// The gate of an object that a mode's filter admits; nullptr: none.
const Gate* open_gate(const KernelObject& object, const Filter& filter);

// Which walls that are made of mounts bind the mode. With CAP_SYS_ADMIN in its own user namespace
// and the calls of mounting it could take read-only, noexec and masks away again, and see a /proc
// without masks; in a user namespace that it makes itself, only the latter.
struct MountWalls {
    bool options = true;  // read-only and noexec
    bool masks = true;    // of /proc
};
MountWalls mount_walls(const CapabilitySets& capabilities, const Filter& filter);

}  // namespace pmos::policy
