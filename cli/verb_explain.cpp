// cli: policy explain: may a mode do that, which line says so, and what would change it.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/policy_files.h"
#include "cli/verbs.h"
#include "policy/question_words.h"

namespace pmos::cli {
namespace {

struct ExplainOptions {
    std::string mode, directory;
    std::vector<std::string> words;
};

// A mode that no phone can start may do nothing.
policy::Answer no_start(const std::vector<policy::Diagnostic>& diagnostics) {
    policy::Answer answer;
    for (const auto& d : diagnostics)
        if (d.severity == policy::Severity::error) {
            answer.rule = policy::rule_id(d.rule);
            answer.why = fmt::format("the mode does not start: {}", d.message);
            answer.at = d.at;
            answer.change = d.fix;
            break;
        }
    return answer;
}

Result<policy::Answer> answer_for(const CheckedPolicy& policy, const policy::ModePolicy& mode,
                                  const policy::Question& question) {
    if (question.topic == policy::Topic::hears)
        return policy::ask_hears(*policy.separation, mode.mode, question.what);
    const auto facts = policy::whole_phone();
    const auto compiled = policy::compile(*mode.profile, facts);
    if (!compiled.plan) return no_start(compiled.diagnostics);
    return policy::ask({*mode.profile, *compiled.plan, facts, mode.demands.get()}, question);
}

void print(const std::string& mode, const policy::Answer& a, const CheckedPolicy& policy,
           bool colour) {
    const auto style = a.ruling == policy::Ruling::allowed   ? Style::good
                       : a.ruling == policy::Ruling::refused ? Style::bad
                                                             : Style::warn;
    put_line(fmt::format("{}: {}: {} [{}]", mode,
                         paint(policy::ruling_name(a.ruling), style, colour), printable(a.why),
                         a.rule));
    for (const auto& condition : a.conditions) put_line("    " + condition);
    if (!a.at.file.empty()) put_line(fmt::format("{}:", printable(policy::to_text(a.at))));
    if (const auto text = policy.texts.find(a.at.file); text != policy.texts.end())
        if (const auto shown = policy::source_excerpt(text->second, a.at); !shown.empty())
            put_line(printable_lines(shown));
    if (!a.change.empty()) put_line("    to change it: " + printable(a.change));
    for (const auto& also : a.also) put_line("    then also: " + printable(also));
    if (a.weighed && a.also.empty()) put_line("    then also: nothing else");
}

nlohmann::ordered_json to_json(const std::string& mode, const policy::Answer& a) {
    return {{"mode", mode},          {"verdict", policy::ruling_name(a.ruling)},
            {"rule", a.rule},        {"why", a.why},
            {"file", a.at.file},     {"line", a.at.line},
            {"column", a.at.column}, {"pointer", a.at.pointer},
            {"cases", a.conditions}, {"change", a.change},
            {"also", a.also}};
}

Result<std::vector<policy::ModePolicy>> modes_of(const CheckedPolicy& policy,
                                                 const policy::Asked& asked) {
    std::vector<policy::ModePolicy> modes;
    for (const auto& name : asked.modes) {
        PMOS_ASSIGN(auto mode, find_mode(policy, name));
        modes.push_back(std::move(mode));
    }
    const bool hears = asked.question.topic == policy::Topic::hears;
    if (hears || asked.modes.empty()) PMOS_TRY(all_known(policy));
    if (!asked.modes.empty()) return modes;
    // Of every one: a mode that is left out would pass for one that may not.
    for (const auto& known : policy.modes) {
        PMOS_ASSIGN(auto mode, find_mode(policy, known.mode));
        if (!hears || mode.mode != asked.question.what) modes.push_back(std::move(mode));
    }
    return modes;
}

Result<int> explain(const Globals& globals, const ExplainOptions& options) {
    std::vector<std::string> paths;
    if (!options.directory.empty()) paths.push_back(options.directory);
    PMOS_ASSIGN(const auto policy, check_policy(paths));
    std::vector<std::string> names;
    for (const auto& mode : policy.modes) names.push_back(mode.mode);
    auto parsed = policy::parse_question(options.words, names);
    if (!parsed) {
        // A word that it does not know may be the name of a mode that could not be read.
        PMOS_TRY(all_known(policy));
        return fail(std::move(parsed.error()));
    }
    auto asked = std::move(*parsed);
    if (!options.mode.empty()) asked.modes = {options.mode};
    PMOS_ASSIGN(const auto modes, modes_of(policy, asked));
    auto array = nlohmann::ordered_json::array();
    for (const auto& mode : modes) {
        PMOS_ASSIGN(const auto answer, answer_for(policy, mode, asked.question));
        if (globals.json)
            array.push_back(to_json(mode.mode, answer));
        else
            print(mode.mode, answer, policy, wants_colour(STDOUT_FILENO));
    }
    if (globals.json) put_line(array.dump(2));
    return 0;
}

}  // namespace

Action attach_policy_explain(CommandLine& line) {
    auto options = std::make_shared<ExplainOptions>();
    line.add_option("-m,--mode", options->mode, "of which mode; without it, of every one");
    line.add_option("--dir", options->directory, "the profiles' directory, or one profile");
    line.add_option("QUESTION", options->words,
                    "in English (\"may secure open the GPU?\"), or: syscall NAME | path PATH "
                    "read|write|execute | device CLASS RIGHT | connect ADDRESS:PORT[/PROTOCOL] | "
                    "capability NAME "
                    "| hears MODE")
        .required();
    return [options](const Globals& globals) { return explain(globals, *options); };
}

}  // namespace pmos::cli
