// cli: what the policy answers to a question, and how that reads.
#include "cli/answer.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/output.h"

namespace pmos::cli {
namespace {

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

}  // namespace

Result<policy::Answer> answer_for(const CheckedPolicy& policy, const policy::ModePolicy& mode,
                                  const policy::Question& question) {
    if (question.topic == policy::Topic::hears)
        return policy::ask_hears(*policy.separation, mode.mode, question.what);
    const auto facts = policy::whole_phone();
    const auto compiled = policy::compile(*mode.profile, facts);
    if (!compiled.plan) return no_start(compiled.diagnostics);
    return policy::ask({*mode.profile, *compiled.plan, facts, mode.demands.get()}, question);
}

std::string answer_text(const std::string& mode, const policy::Answer& a,
                        const CheckedPolicy& policy, bool colour) {
    const auto style = a.ruling == policy::Ruling::allowed   ? Style::good
                       : a.ruling == policy::Ruling::refused ? Style::bad
                                                             : Style::warn;
    auto out =
        fmt::format("{}: {}: {} [{}]\n", mode, paint(policy::ruling_name(a.ruling), style, colour),
                    printable(a.why), a.rule);
    const auto add = [&](std::string_view text) { out.append(text).push_back('\n'); };
    for (const auto& condition : a.conditions) add("    " + condition);
    if (!a.at.file.empty()) add(fmt::format("{}:", printable(policy::to_text(a.at))));
    if (const auto text = policy.texts.find(a.at.file); text != policy.texts.end())
        if (const auto shown = policy::source_excerpt(text->second, a.at); !shown.empty())
            add(printable_lines(shown));
    if (!a.change.empty()) add("    to change it: " + printable(a.change));
    for (const auto& also : a.also) add("    then also: " + printable(also));
    if (a.weighed && a.also.empty()) add("    then also: nothing else");
    return out;
}

nlohmann::ordered_json answer_json(const std::string& mode, const policy::Answer& a) {
    return {{"mode", mode},          {"verdict", policy::ruling_name(a.ruling)},
            {"rule", a.rule},        {"why", a.why},
            {"file", a.at.file},     {"line", a.at.line},
            {"column", a.at.column}, {"pointer", a.at.pointer},
            {"cases", a.conditions}, {"change", a.change},
            {"also", a.also}};
}

}  // namespace pmos::cli
