// cli: handset detect and check: which devices this phone has by class, without pmosd.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <span>

#include "cli/bundle_files.h"
#include "cli/handset_text.h"
#include "cli/output.h"
#include "cli/policy_report.h"
#include "cli/verbs_devices.h"
#include "runtime/host/devices.h"

namespace pmos::cli {
namespace {

constexpr const char* kInstalled = "/etc/pmos/handset.json";

// Bundles are made for the model that the phone says: it stays what it was.
Result<int> detect(const Globals& globals, const std::string& output) {
    PMOS_ASSIGN(const auto devices, host::list_devices(host::detected_subsystems()));
    const auto model = host::read_handset_file(kInstalled).handset.model;
    const auto text = handset_text(model, host::detect_devices(devices), !globals.json);
    if (output.empty())
        put(text);
    else
        PMOS_TRY(write_file(output, std::as_bytes(std::span(text)), 0644, false));
    return 0;
}

struct CheckOptions {
    std::string file = kInstalled, format = "text";
};

Result<int> check(const Globals& globals, const CheckOptions& options) {
    std::error_code ignored;
    if (!std::filesystem::exists(options.file, ignored))
        return fail(Code::not_found, fmt::format("there is no '{}'", options.file), "",
                    "'pmosctl handset detect --out FILE' makes one");
    auto file = host::read_handset_file(options.file);
    CheckedPolicy checked;
    checked.diagnostics = std::move(file.diagnostics);
    checked.texts[options.file] = std::move(file.text);
    if (globals.json || options.format == "json")
        put(findings_json(checked));
    else if (options.format == "sarif")
        put(findings_sarif(checked));
    else
        put_findings(checked, false, "handset");
    return policy::has_errors(checked.diagnostics) ? 1 : 0;
}

}  // namespace

Action attach_handset_detect(CommandLine& line) {
    auto output = std::make_shared<std::string>();
    line.add_option("-o,--output,--out", *output, "a new file, instead of the output");
    return [output](const Globals& globals) { return detect(globals, *output); };
}

Action attach_handset_check(CommandLine& line) {
    auto options = std::make_shared<CheckOptions>();
    line.add_option("FILE", options->file, fmt::format("default {}", kInstalled));
    line.add_option("--format", options->format, "text, json or sarif")
        .one_of({"text", "json", "sarif"});
    return [options](const Globals& globals) { return check(globals, *options); };
}

}  // namespace pmos::cli
