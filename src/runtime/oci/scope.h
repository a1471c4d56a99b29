// oci: a systemd scope in words: its name and slice, limits as its properties, and the command line
// of pmos-oci-systemd. Speaks to nobody.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/launch_plan.h"

namespace pmos::oci {

struct Scope {
    std::string slice, name;  // "system.slice", "PREFIX-NAME.scope"
};

// linux.cgroupsPath of the systemd manager, "SLICE:PREFIX:NAME". Without a slice it is
// system.slice, or user.slice of the user's own manager; without a prefix, NAME.scope, as crun has
// it. Empty: pmos-ID.scope. What a unit's name may not have is escaped as systemd does.
Result<Scope> scope_of(std::string_view cgroups_path, std::string_view id, bool of_user);

// What systemd has a property for, as "MemoryMax=1073741824": else its next reload would undo it.
// The rest is in the cgroup's files only, which it does not touch.
Result<std::vector<std::string>> scope_properties(const std::vector<policy::CgroupLimit>& limits);

struct ScopeProperty {
    std::string name;
    bool is_set = false;  // of processors or memory nodes: bits, "ay"; else a number, "t"
    std::uint64_t number = 0;
    std::vector<std::uint8_t> bits;
};
Result<ScopeProperty> parse_scope_property(std::string_view text);

// pmos-oci-systemd [--user] start SLICE SCOPE PID DESCRIPTION [PROPERTY...]
//                           set SCOPE PROPERTY...
//                           stop SCOPE
struct ScopeCommand {
    enum class Verb : std::uint8_t { start, set, stop };
    Verb verb{};
    bool of_user = false;  // the user's own manager
    Scope scope;
    std::uint32_t pid = 0;
    std::string description;
    std::vector<ScopeProperty> properties;
};
Result<ScopeCommand> parse_scope_command(std::span<const std::string> args);

}  // namespace pmos::oci
