// cli: policy check, show, rules and explain-rule: what profiles mean, without pmosd or root.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/policy_report.h"
#include "cli/verbs.h"
#include "policy/profile.h"

namespace pmos::cli {
namespace {

struct CheckOptions {
    std::vector<std::string> paths;
    std::string format = "text";
};

Result<int> policy_check(const Globals& globals, const CheckOptions& options) {
    PMOS_ASSIGN(const auto policy, check_policy(options.paths));
    if (globals.json || options.format == "json")
        put(findings_json(policy));
    else if (options.format == "sarif")
        put(findings_sarif(policy));
    else
        put_findings(policy, false);
    return policy::has_errors(policy.diagnostics) ? 1 : 0;
}

nlohmann::ordered_json rule_json(const policy::RuleInfo& rule) {
    return {{"rule", rule.id},
            {"severity", policy::severity_name(rule.severity)},
            {"title", rule.title},
            {"why", rule.why},
            {"example", rule.example.empty() ? "" : fmt::format("{{ {} }}", rule.example)}};
}

Result<int> policy_rules(const Globals& globals) {
    if (globals.json) {
        auto array = nlohmann::ordered_json::array();
        for (const auto& rule : policy::rules()) array.push_back(rule_json(rule));
        put_line(array.dump(2));
        return 0;
    }
    Table table{{"RULE", "SEVERITY", "TITLE"}, {}};
    for (const auto& rule : policy::rules())
        table.rows.push_back({{std::string(rule.id)},
                              {std::string(policy::severity_name(rule.severity))},
                              {std::string(rule.title)}});
    put(render(table, wants_colour(STDOUT_FILENO)));
    return 0;
}

Result<int> explain_rule(const Globals& globals, const std::string& id) {
    const auto* rule = policy::find_rule(id);
    if (rule == nullptr) {
        std::vector<std::string_view> ids;
        for (const auto& known : policy::rules()) ids.push_back(known.id);
        const auto near = policy::nearest(id, ids);
        return fail(Code::usage, fmt::format("there is no rule '{}'", id), "",
                    near.empty() ? "'pmosctl policy rules' lists them"
                                 : fmt::format("did you mean '{}'?", near));
    }
    if (globals.json) {
        put_line(rule_json(*rule).dump(2));
        return 0;
    }
    put_line(
        fmt::format("{} ({}): {}", rule->id, policy::severity_name(rule->severity), rule->title));
    put_line(rule->why);
    if (!rule->example.empty()) put_line(fmt::format("example: {{ {} }}", rule->example));
    return 0;
}

struct ShowOptions {
    std::string mode, directory;
    bool resolved = false, origin = false;
};

Result<int> policy_show(const Globals& globals, const ShowOptions& options) {
    std::vector<std::string> paths;
    if (!options.directory.empty()) paths.push_back(options.directory);
    PMOS_ASSIGN(const auto policy, check_policy(paths));
    PMOS_ASSIGN(const auto mode, find_mode(policy, options.mode));
    if (options.origin && globals.json)
        put(policy::origins_json(*mode.profile));
    else if (options.resolved || options.origin)
        put(policy::resolved_text(*mode.profile, options.origin));
    else
        put(policy.texts.at(mode.file));
    return 0;
}

}  // namespace

Action attach_policy_check(CommandLine& line) {
    auto options = std::make_shared<CheckOptions>();
    line.add_option("PATH", options->paths, "profiles, or directories of them");
    line.add_option("--format", options->format, "text, json or sarif")
        .one_of({"text", "json", "sarif"});
    return [options](const Globals& globals) { return policy_check(globals, *options); };
}

Action attach_policy_show(CommandLine& line) {
    auto options = std::make_shared<ShowOptions>();
    line.add_option("MODE", options->mode, "whose profile").required();
    line.add_option("DIR", options->directory, "the profiles' directory, or one profile");
    line.add_flag("--resolved", options->resolved, "with all blocks merged and all defaults");
    line.add_flag("--origin", options->origin, "one line for each value: place, pointer, value");
    return [options](const Globals& globals) { return policy_show(globals, *options); };
}

Action attach_policy_rules(CommandLine&) {
    return [](const Globals& globals) { return policy_rules(globals); };
}

Action attach_policy_explain_rule(CommandLine& line) {
    auto id = std::make_shared<std::string>();
    line.add_option("ID", *id, "a rule's id, as in a finding's brackets").required();
    return [id](const Globals& globals) { return explain_rule(globals, *id); };
}

}  // namespace pmos::cli
