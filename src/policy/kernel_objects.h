// policy: the objects of the kernel that no namespace covers, and by which calls a mode gets to
// them. What is not in these tables the separation proof does not see. Asks no host.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "policy/launch_plan.h"
#include "policy/syscall_filter.h"

namespace pmos::policy {

// A system call that opens an object, with the arguments that matter, of which the kernel looks at
// the lower 32 bits.
struct Gate {
    std::string_view syscall;
    std::array<std::optional<std::uint32_t>, 3> args = {};
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

// A readable file of /proc that tells of the whole machine (proc(5)), or the call sysinfo(2).
struct Counter {
    std::string_view path;  // "/proc/loadavg"; a name without a slash is a system call
    std::string_view what;
};
std::span<const Counter> counters();

// Whether masks, read-only and noexec mounts bind the mode: with CAP_SYS_ADMIN in its own user
// namespace and the calls of mounting it could take them away again.
bool mounts_bind(const CapabilitySets& capabilities, const Filter& filter);

}  // namespace pmos::policy
