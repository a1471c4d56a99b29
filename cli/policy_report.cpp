// cli: findings as text and as JSON. Reads no file.
#include "cli/policy_report.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text.h"
#include "cli/output.h"

namespace pmos::cli {
namespace {

using policy::Diagnostic;

Style style_of(policy::Severity severity) {
    if (severity == policy::Severity::error) return Style::bad;
    return severity == policy::Severity::warning ? Style::warn : Style::plain;
}

class TextReport {
  public:
    TextReport(const CheckedPolicy& policy, bool colour, std::string subject)
        : policy_(policy), colour_(colour), subject_(std::move(subject)) {
        if (subject_.empty()) subject_ = counted(policy_.modes.size(), "mode");
    }

    std::string take() {
        for (const auto& d : policy_.diagnostics) add(d);
        summary();
        return std::move(out_);
    }

  private:
    void line(std::string_view text) { out_ += fmt::format("{}\n", text); }
    void excerpt(const policy::Location& at) {
        const auto text = policy_.texts.find(at.file);
        if (text == policy_.texts.end()) return;
        if (const auto shown = policy::source_excerpt(text->second, at); !shown.empty())
            line(printable_lines(shown));
    }
    void add(const Diagnostic& d);
    void summary();

    const CheckedPolicy& policy_;
    bool colour_;
    std::string subject_;
    std::string out_;
    std::set<policy::Rule> explained_;
};

void TextReport::add(const Diagnostic& d) {
    const std::string severity(policy::severity_name(d.severity));
    line(fmt::format("{}: {} {} [{}]", printable(policy::to_text(d.at)),
                     paint(severity + ":", style_of(d.severity), colour_), printable(d.message),
                     policy::rule_id(d.rule)));
    excerpt(d.at);
    for (const auto& at : d.related) {
        line(fmt::format("    {} {}", paint("see:", Style::dim, colour_),
                         printable(policy::to_text(at))));
        excerpt(at);
    }
    // Once is enough, however often a rule speaks up.
    if (explained_.insert(d.rule).second)
        line(fmt::format("    {} {}", paint("why:", Style::dim, colour_),
                         policy::rule_info(d.rule).why));
    if (!d.fix.empty())
        line(fmt::format("    {} {}", paint("hint:", Style::dim, colour_), printable(d.fix)));
}

void TextReport::summary() {
    const auto count = [&](policy::Severity severity) {
        const auto number =
            std::ranges::count(policy_.diagnostics, severity, &Diagnostic::severity);
        return counted(static_cast<std::uint64_t>(number), policy::severity_name(severity));
    };
    line(fmt::format("{} checked, {}, {}, {}", subject_, count(policy::Severity::error),
                     count(policy::Severity::warning), count(policy::Severity::note)));
}

// The fields are fixed: another place goes into the words.
std::string whole_message(const Diagnostic& d) {
    std::string text = d.message;
    for (const auto& at : d.related)
        if (const auto place = policy::to_text(at); !text.contains(place))
            text += fmt::format("; see {}", place);
    return text;
}

}  // namespace

std::string findings_text(const CheckedPolicy& policy, bool colour, std::string subject) {
    return TextReport(policy, colour, std::move(subject)).take();
}

void put_findings(const CheckedPolicy& policy, bool apart, const std::string& subject) {
    if (apart)
        fmt::print(stderr, "{}", findings_text(policy, wants_colour(STDERR_FILENO), subject));
    else
        put(findings_text(policy, wants_colour(STDOUT_FILENO), subject));
}

std::string findings_json(const CheckedPolicy& policy) {
    auto array = nlohmann::ordered_json::array();
    for (const auto& d : policy.diagnostics)
        array.push_back({{"file", d.at.file},
                         {"line", d.at.line},
                         {"column", d.at.column},
                         {"pointer", d.at.pointer},
                         {"severity", policy::severity_name(d.severity)},
                         {"rule", policy::rule_id(d.rule)},
                         {"message", whole_message(d)},
                         {"fix", d.fix}});
    return array.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace pmos::cli
