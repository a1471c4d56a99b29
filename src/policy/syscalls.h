// policy: system calls by name and the @groups of profiles. Knows no profile.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pmos::policy {

// A named set in systemd's notation. Members are names or other groups.
struct SyscallGroup {
    std::string_view name;  // with its @
    std::string_view doc;
    std::string_view members;  // separated by blanks
};
std::span<const SyscallGroup> syscall_groups();
const SyscallGroup* find_group(std::string_view name);
std::string_view nearest_group(std::string_view word);

// Names of all groups' members and of the tables: unknown ones are errors in a profile.
bool is_syscall(std::string_view name);
std::string_view nearest_syscall(std::string_view word);

// The architecture of a filter.
struct Arch {
    std::string_view name;         // "x86_64"
    std::uint32_t audit = 0;       // AUDIT_ARCH_*
    std::uint32_t scmp = 0;        // libseccomp's token
    std::uint32_t newest = 0;      // highest number of our table
    std::uint32_t hole_first = 0;  // numbers that no call has, inclusive
    std::uint32_t hole_last = 0;
    bool x32 = false;  // numbers with bit 30 are another ABI
};
const Arch* find_arch(std::string_view name);

// Number of a call on that architecture; empty when it has none there (open on arm64).
std::optional<std::uint32_t> syscall_number(const Arch& arch, std::string_view name);
std::string syscall_name(const Arch& arch, std::uint32_t number);  // "" when unknown

// Names and groups to names, sorted, each once.
std::set<std::string> expand_syscalls(std::span<const std::string> entries);
// What pmos-init and a libc need to start and to end; part of every filter.
std::string_view required_syscalls();
// What they call between the moment the filter is in force and the moment somebody listens to what
// it asks.
std::string_view startup_syscalls();
// What a recording lets through: every call of that architecture but those that could undo the
// mode's walls, or the phone's (@privileged, @io-uring, @cpu-emulation, @obsolete), and `never`.
std::set<std::string> recordable_syscalls(const Arch& arch, const std::set<std::string>& never);

}  // namespace pmos::policy
