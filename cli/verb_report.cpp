// cli: policy report and policy map: profiles as a page and as a drawing.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>

#include "cli/bundle_files.h"
#include "cli/map.h"
#include "cli/output.h"
#include "cli/report_page.h"
#include "cli/verbs.h"

namespace pmos::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
    std::string output, directory, against;
    bool svg = false, dot = false;
    InputTrust trust{{}, PMOS_TRUST_DIR};
};

// A file is there whole or not at all; "-" is standard output.
Result<> deliver(const std::string& output, std::string_view bytes) {
    if (output == "-") {
        put(bytes);
        return {};
    }
    std::error_code ignored;
    const auto there = fs::symlink_status(output, ignored);
    if (fs::exists(there) && !fs::is_regular_file(there))
        return fail(Code::usage, fmt::format("cannot write '{}'", output),
                    "it is there, and no ordinary file",
                    "choose another name, or - for the output");
    return write_file(output, std::as_bytes(std::span(bytes)), 0644, true);
}

Result<PolicyInput> read(const Globals& globals, const Options& options) {
    if (!options.directory.empty()) return read_input(globals, options.directory, options.trust);
    PMOS_ASSIGN(const auto directory, default_profiles());
    return read_input(globals, directory, options.trust);
}

Result<int> policy_report(const Globals& globals, const Options& options) {
    if (globals.json)
        return fail(Code::usage, "a report is a page, not JSON", "",
                    "what it shows: policy check, separation, score and diff with --json");
    PMOS_ASSIGN(auto now, read(globals, options));
    std::optional<PolicyInput> before;
    if (!options.against.empty()) {
        PMOS_ASSIGN(before, read_input(globals, options.against, options.trust));
    }
    const auto report = make_report(std::move(now), before ? &*before : nullptr);
    PMOS_TRY(deliver(options.output, report_page(report)));
    if (options.output != "-")
        put_line(fmt::format("{}: {}, {} that nobody controls, {}", printable(options.output),
                             counted(report.modes.size(), "mode"),
                             counted(report.count(policy::Control::open), "flow"),
                             counted(report.count(policy::Severity::error), "error")));
    return 0;
}

Result<int> policy_map(const Globals& globals, const Options& options) {
    if (globals.json)
        return fail(Code::usage, "a drawing is not JSON", "", "see policy separation --json");
    if (options.svg == options.dot)
        return fail(Code::usage, "what kind of drawing?", "", "one of --svg, --dot");
    PMOS_ASSIGN(const auto input, read(globals, options));
    PMOS_TRY(all_known(input.policy));
    PMOS_TRY(none_broken(input.modes));
    const auto& separation = *input.policy.separation;
    const auto channels = policy::channels(separation);
    PMOS_TRY(deliver(options.output, options.dot
                                         ? dot_file(separation, channels)
                                         : svg_file(draw(separation, channels, Shape::wide))));
    return 0;
}

void add_source_options(CommandLine& line, Options& options) {
    line.add_option("DIR", options.directory,
                    "a directory of profiles, or another source as policy diff has it");
    line.add_option("--key", options.trust.keys,
                    "a public key that may have signed a bundle, instead of the phone's");
    line.add_option("--trust", options.trust.directory, "the directory of trusted keys");
}

}  // namespace

Action attach_policy_report(CommandLine& line) {
    auto options = std::make_shared<Options>();
    line.add_option("-o,--output", options->output, "the page to write; - is standard output")
        .required();
    line.add_option("--against", options->against, "what came before: say what has changed");
    add_source_options(line, *options);
    return [options](const Globals& globals) { return policy_report(globals, *options); };
}

Action attach_policy_map(CommandLine& line) {
    auto options = std::make_shared<Options>();
    options->output = std::string("-");  // GCC 12 sees a wrong overlap in the assignment of "-"
    line.add_flag("--svg", options->svg, "a drawing that stands alone");
    line.add_flag("--dot", options->dot, "a graph for graphviz");
    line.add_option("-o,--output", options->output, "the file to write; - is standard output");
    add_source_options(line, *options);
    return [options](const Globals& globals) { return policy_map(globals, *options); };
}

}  // namespace pmos::cli
