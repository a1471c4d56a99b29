// daemon: what pmosd says of the bundle that it uses. Words only: asks nobody, changes nothing.
#include "runtime/daemon/bundle_words.h"

#include <fmt/format.h>

namespace pmos::daemon {

std::string label_of(const bundle::Report& report) {
    return fmt::format("{}@{}", report.name, report.version);
}

Details policy_details(const bundle::Report& report) {
    Details out{{"source", report.usable() ? "bundle" : "none"},
                {"floor", fmt::format("{}", report.floor)},
                {"floorKept", report.floor_kept},
                {"floorFault", report.floor_fault},
                {"why", report.why},
                {"fellBack", report.fallen}};
    if (!report.usable()) return out;
    out.insert(out.end(), {{"name", report.name},
                           {"version", fmt::format("{}", report.version)},
                           {"for", report.made_for},
                           {"key", report.key},
                           {"state", report.trial ? "trial" : "confirmed"},
                           {"tries", fmt::format("{}", report.tries)}});
    return out;
}

namespace {

host::Finding policy_finding(const bundle::Report& report) {
    if (!report.usable())
        return {"error", "policy", "none can be used: " + report.why,
                report.fix.empty() ? "pmosctl policy install BUNDLE" : report.fix};
    const std::string what =
        fmt::format("{}, signed by key {}, floor {} (kept in {})", label_of(report),
                    report.key.substr(0, 16), report.floor, report.floor_kept);
    if (report.trial)
        return {"note", "policy", what + ": on trial",
                "it is confirmed when a mode has run under it, or by: pmosctl policy confirm"};
    if (!report.fallen.empty())
        return {"warning", "policy",
                fmt::format("{}; a newer one was given up: {}", what, report.fallen),
                "have that mended and install it with a higher version"};
    return {"ok", "policy", what, ""};
}

}  // namespace

std::vector<host::Finding> policy_findings(const bundle::Report& report) {
    std::vector<host::Finding> out{policy_finding(report)};
    // Whatever becomes of the policy: a trial or a fallback must not hide it.
    if (!report.floor_fault.empty())
        out.push_back({"warning", "policy",
                       "the TPM does not keep the floor: " + report.floor_fault,
                       "see docs/bundles.md, Floor"});
    return out;
}

}  // namespace pmos::daemon
