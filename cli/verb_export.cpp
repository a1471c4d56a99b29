// cli: policy export-oci: a bundle of a mode, for other runtimes to launch the same.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
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

Result<> make_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0755) == 0) return {};
    return fail(errno_error(errno, "cannot make '" + path + "'"));
}

Result<> write_bundle(const std::string& out, const policy::LaunchPlan& plan,
                      const std::string& config) {
    PMOS_TRY(make_directory(out));
    PMOS_TRY(make_directory(out + "/rootfs"));
    if (!plan.volumes.empty()) PMOS_TRY(make_directory(out + "/volumes"));
    for (const auto& volume : plan.volumes)
        PMOS_TRY(make_directory(out + "/volumes/" + volume.name));
    std::ofstream file(out + "/config.json");
    if (!(file << config << std::flush))
        return fail(errno_error(errno, "cannot write '" + out + "/config.json'"));
    return {};
}

Result<int> export_oci(const Globals& globals, const ExportOptions& options) {
    PMOS_ASSIGN(const auto policy, check_policy(options.paths));
    const auto mode = std::ranges::find(policy.modes, options.mode, &policy::ModePolicy::mode);
    if (mode == policy.modes.end())
        return fail(Code::not_found, fmt::format("no profile of the mode '{}'", options.mode));
    if (!mode->profile) return fail(broken_profile(*mode));
    const auto compiled = policy::compile(*mode->profile, policy::whole_phone());
    if (!compiled.plan)
        return fail(Code::unsupported, fmt::format("mode '{}' does not start", options.mode));
    const auto exported = policy::oci::export_config(*compiled.plan, *mode->profile);
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
