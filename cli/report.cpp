// cli: what a policy report shows, as a value. Reads no file, holds no markup.
#include "cli/report.h"

#include <algorithm>
#include <span>

#include "policy/hash.h"
#include "policy/profile.h"
#include "policy/question.h"

namespace pmos::cli {
namespace {

// Lengths too, so that no text can pass for two.
std::string digest_of(const std::map<std::string, std::string>& texts) {
    std::string all;
    for (const auto& [name, text] : texts)
        all += std::to_string(name.size()) + ":" + name + std::to_string(text.size()) + ":" + text;
    return policy::sha256_hex(std::as_bytes(std::span(all)));
}

ModeSection section_of(const policy::ModePolicy& mode, std::uint32_t& next) {
    ModeSection out;
    out.mode = mode.mode;
    out.file = mode.file;
    out.loads = mode.profile != nullptr;
    const auto& profile = mode.profile ? mode.profile : mode.disputed;
    if (!profile) return out;
    out.index = next++;
    auto compiled = policy::compile(*profile, policy::whole_phone());
    for (auto& d : compiled.diagnostics)
        if (d.severity == policy::Severity::error) out.stops.push_back(std::move(d));
    out.score = policy::score(
        *profile,
        compiled.plan ? *compiled.plan : policy::intended_plan(*profile, policy::whole_phone()));
    return out;
}

}  // namespace

std::size_t Report::count(policy::Severity severity) const {
    return static_cast<std::size_t>(
        std::ranges::count(policy.diagnostics, severity, &policy::Diagnostic::severity));
}

std::size_t Report::count(policy::Control control) const {
    return static_cast<std::size_t>(
        std::ranges::count(separation->flows, control, &policy::Flow::control));
}

std::size_t Report::broken() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(modes, [](const ModeSection& m) { return !m.index; }));
}

Report make_report(PolicyInput now, const PolicyInput* before) {
    Report out;
    if (before != nullptr) out.comparison = {before->shown, diff_inputs(*before, now)};
    out.title = std::move(now.shown);
    out.digest = digest_of(now.policy.texts);
    out.separation = std::move(now.policy.separation);
    out.channels = policy::channels(*out.separation);
    // The separation has the same order, without those that are broken.
    std::uint32_t next = 0;
    for (const auto& mode : now.modes) out.modes.push_back(section_of(mode, next));
    out.policy = std::move(now.policy);
    out.reach = reach_rows(out);
    return out;
}

}  // namespace pmos::cli
