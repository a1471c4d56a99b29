// cli: policy export-oci: a bundle of a mode, for other runtimes to launch the same.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/policy_files.h"
#include "cli/verbs.h"
#include "policy/oci_export.h"
#include "policy/policy_set.h"
#include "policy/question.h"

namespace pmos::cli {
namespace {

struct ExportOptions {
    std::string mode, out;
    std::vector<std::string> paths;
};

namespace fs = std::filesystem;

// In a directory that is new.
Result<> fill_bundle(const fs::path& out, const policy::LaunchPlan& plan,
                     const std::string& config) {
    std::error_code failed;
    fs::create_directory(out / "rootfs", failed);
    for (const auto& volume : plan.volumes)
        if (!failed) fs::create_directories(out / "volumes" / volume.name, failed);
    if (failed) return fail(errno_error(failed.value(), "cannot fill '" + out.string() + "'"));
    std::ofstream file(out / "config.json");
    if (!(file << config << std::flush))
        return fail(errno_error(errno, "cannot write '" + (out / "config.json").string() + "'"));
    return {};
}

// Whole, or nothing of it.
Result<> write_bundle(const std::string& out, const policy::LaunchPlan& plan,
                      const std::string& config) {
    if (::mkdir(out.c_str(), 0755) != 0)
        return fail(errno_error(errno, "cannot make '" + out + "'"));
    auto filled = fill_bundle(out, plan, config);
    std::error_code ignored;
    if (!filled) fs::remove_all(out, ignored);
    return filled;
}

Result<int> export_oci(const Globals& globals, const ExportOptions& options) {
    PMOS_ASSIGN(const auto policy, check_policy(options.paths));
    PMOS_ASSIGN(const auto mode, find_mode(policy, options.mode));
    const auto compiled = policy::compile(*mode.profile, policy::whole_phone());
    const auto& faults = compiled.diagnostics;
    if (!compiled.plan)
        return fail(
            Code::unsupported, fmt::format("mode '{}' does not start", options.mode),
            std::ranges::find(faults, policy::Severity::error, &policy::Diagnostic::severity)
                ->message);
    const auto exported = policy::oci::export_config(*compiled.plan, *mode.profile);
    PMOS_TRY(write_bundle(options.out, *compiled.plan, exported.config));
    if (globals.json) {
        put_line(nlohmann::ordered_json{{"bundle", options.out},
                                        {"image", compiled.plan->root.path},
                                        {"unsaid", exported.unsaid}}
                     .dump(2));
        return 0;
    }
    put_line(
        fmt::format("{0} is a bundle; its root is to be mounted:\n"
                    "  mount -o ro,loop {1} {0}/rootfs\n"
                    "What it cannot say of the mode:",
                    options.out, compiled.plan->root.path));
    for (const auto& line : exported.unsaid) put_line("- " + printable(line));
    return 0;
}

}  // namespace

Action attach_policy_export_oci(CommandLine& line) {
    const auto options = std::make_shared<ExportOptions>();
    line.add_option("MODE", options->mode, "the mode").required();
    line.add_option("PATH", options->paths, "profiles, or directories of them");
    line.add_option("-o,--out", options->out, "the bundle's directory, which is made").required();
    return [options](const Globals& globals) { return export_oci(globals, *options); };
}

}  // namespace pmos::cli
