// policy: why a mode was refused something: the rule and the line. Asks no host.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "policy/host_facts.h"
#include "policy/profile.h"
#include "policy/syscalls.h"

namespace pmos::policy {

struct Explanation {
    std::string rule = {};  // stable id
    std::string what = {};  // "ptrace"
    std::string why = {};   // lower case, no full stop
    Location at = {};       // the line that decides, or the nearest one above it
    std::string fix = {};   // the smallest change that would allow it, or ""
    // The same change for a program: what to add or set at which key ("seccomp/allow", "ptrace").
    std::string key = {}, value = {};
};

// A system call that the mode's filter has refused or killed for. Where its arguments are not
// known, of several rules with arguments the first is named.
Explanation explain_refused_syscall(const Profile& profile, const Arch& arch, std::uint32_t number);
Explanation explain_refused_syscall(const Profile& profile, const Arch& arch,
                                    const SyscallData& call);
// The arguments that a rule or a guard looks at, as bits: what else a call has decides nothing.
std::uint32_t tested_arguments(const Profile& profile, const Arch& arch, std::uint32_t number);

// A call made for another architecture than the filter's.
Explanation explain_foreign_syscall(const Profile& profile, std::uint32_t audit_arch,
                                    std::uint32_t number);

// A device node that the mode's filter has refused.
Explanation explain_refused_device(const Profile& profile, std::span<const HostDevice> devices,
                                   bool block, std::uint32_t major, std::uint32_t minor);

// A capability check that failed. `own`: asked of the mode's own user namespace, the only one that
// process/capabilities is about.
Explanation explain_refused_capability(const Profile& profile, std::uint32_t capability, bool own);

enum class LandlockTry : std::uint8_t { read, write, execute, change, trace, mount };
// `what`: "write notes.txt", as far as the kernel tells a name.
Explanation explain_refused_by_landlock(const Profile& profile, LandlockTry tried,
                                        const std::string& what);

// What the rules of a mode's network have refused, to it or to who called it.
struct RefusedConnection {
    bool inbound = false;
    std::string destination;  // "tcp/443 to 203.0.113.7"; of who calls "tcp/22 from 203.0.113.7"
    std::string name;         // of the DNS, where it is that which was refused; else ""
    std::string reason;       // a word of kConnectionReasonNames
    std::string pointer;      // what decides: "network/egress/deny/0"
};
Explanation explain_refused_connection(const Profile& profile, const RefusedConnection& refused);

// What the kernel counts when a mode meets a limit of its cgroup. It tells no program and no pid.
enum class LimitEvent : std::uint8_t {
    memory_high,
    memory_max,
    memory_out,   // nothing could be reclaimed at memory.max
    memory_kill,  // and so a process was killed
    phone_memory_kill,
    swap_max,
    pids_max,
};
Explanation explain_limit(const Profile& profile, LimitEvent event);
// "slowed", "refused" or "killed".
const char* limit_verdict(LimitEvent event);

}  // namespace pmos::policy
