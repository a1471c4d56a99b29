// cli: what a policy report shows, as a value: worked out here, written by report_page.h. Reads no
// file, holds no markup.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/policy_input.h"
#include "policy/channels.h"
#include "policy/score.h"

namespace pmos::cli {

// How far a resource is one mode's own, worst last.
enum class Standing : std::uint8_t {
    none,  // not reached
    own,   // by this mode alone, or nothing flows through it
    arbitrated,
    consented,
    open,
};
inline constexpr std::string_view kStandingNames = "none|own|arbitrated|consented|open";

struct ReportCell {
    std::string text;   // "read, write"
    std::string brief;  // "rw", where there are many modes
    Standing standing = Standing::none;
    bool enforced = true;
    std::vector<policy::Location> at;
};

struct ReportRow {
    std::string group;  // "device"
    std::string name;
    std::vector<ReportCell> cells;  // one for each mode of the separation
};

struct ModeSection {
    std::string mode, file;
    std::optional<std::uint32_t> index;     // in the separation; none: its profile is broken
    bool loads = false;                     // no finding is an error
    std::vector<policy::Diagnostic> stops;  // why it does not start with this build
    std::optional<policy::Score> score;
};

struct Comparison {
    std::string with;  // what came before, as it was named
    std::vector<policy::Change> changes;
};

struct Report {
    std::string title;   // what was looked at, as it was named
    std::string digest;  // SHA-256 of all texts, so that a page tells what it is about
    CheckedPolicy policy;
    std::shared_ptr<const policy::Separation> separation;
    std::vector<policy::Channel> channels;
    std::vector<ModeSection> modes;
    std::vector<ReportRow> reach;
    std::optional<Comparison> comparison;

    std::size_t count(policy::Severity severity) const;
    std::size_t count(policy::Control control) const;  // flows
    std::size_t broken() const;                        // modes of which nothing is known
};

// before: what it is compared with, or nullptr.
Report make_report(PolicyInput now, const PolicyInput* before = nullptr);

// Side by side: what each mode reaches, resource by resource.
std::vector<ReportRow> reach_rows(const Report& report);

}  // namespace pmos::cli
