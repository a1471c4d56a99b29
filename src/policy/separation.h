// policy: what flows between modes, over all profiles together. docs/separation.md says what the
// model covers. Asks no host.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "policy/reach.h"

namespace pmos::policy {

enum class Control : std::uint8_t {
    open,        // nobody stands between
    consented,   // the owner has accepted it in the site policy
    arbitrated,  // a broker, the switch or a program of the host decides
};
inline constexpr std::string_view kControlNames = "open|consented|arbitrated";

// One mode's end of a flow. Indices, because two hundred modes have many flows.
struct End {
    std::uint32_t mode = 0, access = 0;  // modes[mode].accesses[access]
};

struct Flow {
    End from, to;  // from can send, to can receive
    Control control{};
    Location consent;  // where the owner has accepted it
};

struct ModeReach {
    std::string mode;
    std::vector<Access> accesses;
};

struct Separation {
    std::vector<ModeReach> modes;  // by name
    std::vector<Flow> flows;       // by control, then by names; without the counters
    // Modes that are reached only through others, by flows that nobody arbitrates: each a path of
    // at least three.
    std::vector<std::vector<std::uint32_t>> indirect;

    const Access& access(const End& end) const { return modes[end.mode].accesses[end.access]; }
    bool has_open() const;
    // Numbers about the whole machine that this mode can read.
    std::vector<const Access*> counters(std::size_t mode) const;
};

// Of all modes whose profile is whole. `site` holds what the owner has accepted, or is nullptr.
Separation separate(std::span<const ModePolicy> modes, const HostFacts& facts, const Node* site);

// Whether anything flows from one mode to another, at the line of the one that receives: allowed
// where nobody stands between, depends where somebody does or the owner has accepted it.
Result<Answer> ask_hears(const Separation& separation, const std::string& to,
                         const std::string& from);

// Each open flow as a finding at the line of the mode that receives, related to the sender's.
// Flows that another rule has already refused or warned of are left out.
std::vector<Diagnostic> flow_findings(const Separation& separation);

}  // namespace pmos::policy
