// cli: policy explain: may a mode do that, which line says so, and what would change it.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/policy_files.h"
#include "cli/verbs.h"
#include "policy/question.h"

namespace pmos::cli {
namespace {

struct ExplainOptions {
    std::string mode, directory;
    std::vector<std::string> words;
};

Result<policy::Answer> ask(const policy::Subject& subject, const std::vector<std::string>& words) {
    const std::string& kind = words.front();
    const auto word = [&](std::size_t i) { return i < words.size() ? words[i] : std::string(); };
    const std::size_t wanted = kind == "path" || kind == "device" ? 3 : 2;
    if (kind != "syscall" && kind != "path" && kind != "device" && kind != "connect" &&
        kind != "capability")
        return fail(Code::usage, fmt::format("'{}' is nothing to ask about", kind), "",
                    "ask about a syscall, path, device, connect or capability");
    if (words.size() != wanted)
        return fail(Code::usage, fmt::format("'{}' takes {} more", kind, wanted - 1), "",
                    "such as: syscall ptrace, path /data/x write, device modem port, connect "
                    "10.0.0.1:443, capability CAP_CHOWN");
    if (kind == "syscall") return policy::ask_syscall(subject, word(1));
    if (kind == "path") return policy::ask_path(subject, word(1), word(2));
    if (kind == "device") return policy::ask_device(subject, word(1), word(2));
    if (kind == "connect") return policy::ask_connect(subject, word(1));
    return policy::ask_capability(subject, word(1));
}

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

Result<policy::Answer> answer_for(const policy::ModePolicy& mode,
                                  const std::vector<std::string>& words) {
    const auto facts = policy::whole_phone();
    const auto compiled = policy::compile(*mode.profile, facts);
    if (!compiled.plan) return no_start(compiled.diagnostics);
    return ask({*mode.profile, *compiled.plan, facts, mode.demands.get()}, words);
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
    put_line(fmt::format("{}:", printable(policy::to_text(a.at))));
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

Result<int> explain(const Globals& globals, const ExplainOptions& options) {
    std::vector<std::string> paths;
    if (!options.directory.empty()) paths.push_back(options.directory);
    PMOS_ASSIGN(const auto policy, check_policy(paths));
    std::vector<policy::ModePolicy> modes;
    if (options.mode.empty()) {
        for (const auto& mode : policy.modes)
            if (mode.profile) modes.push_back(mode);
    } else {
        PMOS_ASSIGN(auto mode, find_mode(policy, options.mode));
        modes.push_back(std::move(mode));
    }
    auto array = nlohmann::ordered_json::array();
    for (const auto& mode : modes) {
        PMOS_ASSIGN(const auto answer, answer_for(mode, options.words));
        if (globals.json)
            array.push_back(to_json(mode.mode, answer));
        else
            print(mode.mode, answer, policy, wants_colour(STDOUT_FILENO));
    }
    if (globals.json) put_line(array.dump(2));
    return 0;
}

}  // namespace

Action attach_policy_explain(CLI::App& app) {
    auto options = std::make_shared<ExplainOptions>();
    app.add_option("-m,--mode", options->mode, "of which mode; without it, of every one");
    app.add_option("--dir", options->directory, "the profiles' directory, or one profile");
    app.add_option("QUESTION", options->words,
                   "syscall NAME | path PATH read|write|execute | device CLASS RIGHT | connect "
                   "ADDRESS:PORT | capability NAME")
        ->required();
    return [options](const Globals& globals) { return explain(globals, *options); };
}

}  // namespace pmos::cli
