// cli: the parts of a report that show findings and the texts that they are about.
#include <algorithm>
#include <optional>
#include <set>

#include "cli/report_page.h"

namespace pmos::cli {
namespace {

using policy::Diagnostic;
using policy::Severity;

Literal severity_class(Severity severity) {
    return severity == Severity::error     ? Literal("error")
           : severity == Severity::warning ? Literal("warning")
                                           : Literal("note");
}

std::string_view line_of(std::string_view text, std::uint32_t line) {
    for (std::uint32_t n = 1; n < line; ++n) {
        const auto feed = text.find('\n');
        if (feed == text.npos) return "";
        text.remove_prefix(feed + 1);
    }
    return text.substr(0, text.find('\n'));
}

// To the bracket that closes the first, or to the end.
std::size_t bracketed_size(std::string_view rest) {
    int depth = 0;
    bool quoted = false;
    for (std::size_t i = 0; i < rest.size(); ++i) {
        const char c = rest[i];
        if (quoted && c == '\\')
            ++i;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '[' || c == '{'))
            ++depth;
        else if (!quoted && (c == ']' || c == '}') && --depth == 0)
            return i + 1;
    }
    return rest.size();
}

// The value that stands at a column: a string with its quotes, a word, what brackets hold.
std::size_t token_size(std::string_view rest) {
    if (rest.empty()) return 0;
    if (rest[0] == '[' || rest[0] == '{') return bracketed_size(rest);
    if (rest[0] == '"') {
        for (std::size_t i = 1; i < rest.size(); ++i) {
            if (rest[i] == '\\')
                ++i;
            else if (rest[i] == '"')
                return i + 1;
        }
        return rest.size();
    }
    const auto end = rest.find_first_of(" \t,:[]{}\r");
    return std::max<std::size_t>(1, std::min(end, rest.size()));
}

constexpr std::size_t kMaxExcerpt = 160;  // bytes on either side of what is marked

void add_excerpt(Markup& to, const Report& r, const policy::Location& at) {
    const auto text = r.policy.texts.find(at.file);
    if (text == r.policy.texts.end() || at.line == 0 || at.column == 0) return;
    const auto line = line_of(text->second, at.line);
    const std::size_t begin = std::min<std::size_t>(at.column - 1, line.size());
    std::size_t end = begin + std::min(token_size(line.substr(begin)), kMaxExcerpt);
    while (inside_character(line, end)) ++end;
    std::size_t from = begin > kMaxExcerpt ? begin - kMaxExcerpt : 0;
    while (inside_character(line, from)) ++from;
    std::size_t to_end = std::min(line.size(), end + kMaxExcerpt);
    while (inside_character(line, to_end)) ++to_end;
    auto before = line.substr(from, begin - from);
    if (from == 0) before.remove_prefix(std::min(before.find_first_not_of(" \t"), before.size()));
    to.tag("<pre class=\"excerpt\"><code>");
    if (from > 0) to.text("…");
    to.text(before)
        .tag("<mark>")
        .text(line.substr(begin, end - begin))
        .tag("</mark>")
        .text(line.substr(end, to_end - end));
    if (to_end < line.size()) to.text("…");
    to.tag("</code></pre>\n");
}

void add_finding(Markup& to, const Report& r, const Diagnostic& d, bool explain,
                 const Places& places) {
    to.tag("<li class=\"")
        .tag(severity_class(d.severity))
        .tag("\"><h3><span class=\"tag\">")
        .text(policy::severity_name(d.severity))
        .tag("</span> ")
        .text(d.message)
        .tag("</h3>\n<p class=\"where\">");
    places.link(to, d.at);
    to.tag(" <span class=\"how\">").text(policy::rule_id(d.rule)).tag("</span></p>\n");
    add_excerpt(to, r, d.at);
    for (const auto& at : d.related) {
        to.tag("<p class=\"where\">see ");
        places.link(to, at);
        to.tag("</p>\n");
        add_excerpt(to, r, at);
    }
    if (explain) to.tag("<p>").text(policy::rule_info(d.rule).why).tag("</p>\n");
    if (!d.fix.empty()) to.tag("<p class=\"fix\">").text(d.fix).tag("</p>\n");
    to.tag("</li>\n");
}

using Marked = std::map<std::pair<std::string_view, std::uint32_t>, Severity>;

// The worst that is said of each line.
Marked marked_lines(const Report& r) {
    Marked out;
    for (const auto& d : r.policy.diagnostics) {
        const auto [it, fresh] = out.try_emplace({d.at.file, d.at.line}, d.severity);
        if (!fresh) it->second = std::min(it->second, d.severity);
    }
    return out;
}

void add_source(Markup& to, const std::string& file, std::string_view text, const Marked& marked,
                const Places& places) {
    const auto number = places.number(file);
    to.tag("<section class=\"source\" id=\"s")
        .number(number)
        .tag("\">\n<h3><code>")
        .text(places.file_name(file))
        .tag("</code></h3>\n<ol>\n");
    for (std::uint32_t line = 1; line <= places.lines_of(file); ++line) {
        const auto feed = text.find('\n');
        auto words = text.substr(0, feed);
        text.remove_prefix(feed == text.npos ? text.size() : feed + 1);
        if (words.ends_with('\r')) words.remove_suffix(1);
        to.tag("<li id=\"s").number(number).tag("-").number(line).tag("\"");
        if (const auto it = marked.find({file, line}); it != marked.end())
            to.tag(" class=\"").tag(severity_class(it->second)).tag("\"");
        to.tag(">").text(words).tag("</li>\n");
    }
    to.tag("</ol>\n");
    if (!text.empty())
        to.tag("<p>The rest is not shown: ").number(text.size()).tag(" bytes.</p>\n");
    to.tag("</section>\n");
}

}  // namespace

void add_findings(Markup& to, const Report& r, const Places& places) {
    to.tag("<section id=\"findings\">\n<h2>Findings</h2>\n");
    if (r.policy.diagnostics.empty()) to.tag("<p>Nothing to say.</p>\n");
    to.tag("<ol class=\"findings\">\n");
    std::set<policy::Rule> explained;
    for (const auto severity : {Severity::error, Severity::warning, Severity::note})
        for (const auto& d : r.policy.diagnostics)
            if (d.severity == severity)
                // Once is enough, however often a rule speaks up.
                add_finding(to, r, d, explained.insert(d.rule).second, places);
    to.tag("</ol>\n</section>\n");
}

void add_sources(Markup& to, const Report& r, const Places& places) {
    to.tag("<section id=\"sources\">\n<h2>The texts themselves</h2>\n");
    const auto marked = marked_lines(r);
    for (const auto& [file, text] : r.policy.texts) add_source(to, file, text, marked, places);
    to.tag("</section>\n");
}

}  // namespace pmos::cli
