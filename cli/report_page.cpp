// cli: a policy report as one HTML page: its frame, its head and what it says first.
#include "cli/report_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "cli/map.h"
#include "cli/output.h"
#include "policy/hash.h"

namespace pmos::cli {
namespace {

using policy::Control;
using policy::Severity;

unsigned hex_value(char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10); }

// As a Content-Security-Policy names a style that may stand in the page.
std::string base64_sha256(std::string_view text) {
    constexpr std::string_view kLetters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const std::string hex = policy::sha256_hex(std::as_bytes(std::span(text)));
    std::string out;
    // Three hexadecimal digits are two letters.
    for (std::size_t i = 0; i < hex.size(); i += 3) {
        const auto digit = [&](std::size_t n) { return n < hex.size() ? hex_value(hex[n]) : 0U; };
        const unsigned bits = digit(i) << 8U | digit(i + 1) << 4U | digit(i + 2);
        out += kLetters[bits >> 6U];
        out += kLetters[bits & 63U];
    }
    return out.substr(0, 43) + "=";
}

std::size_t count_lines(std::string_view text) {
    const auto feeds = static_cast<std::size_t>(std::ranges::count(text, '\n'));
    return feeds + (text.empty() || text.ends_with('\n') ? 0 : 1);
}

// "/srv/music, modem and 3 more"
std::string through(const Report& r) {
    constexpr std::size_t kMost = 3, kColumns = 40;
    std::vector<std::string> names;
    for (const auto& c : r.channels)
        if (c.control == Control::open && std::ranges::find(names, c.resource) == names.end())
            names.push_back(c.resource);
    const std::size_t shown = std::min(names.size(), kMost);
    std::string out;
    for (std::size_t i = 0; i < shown; ++i)
        out += (i == 0 ? "" : ", ") + shortened(names[i], kColumns);
    if (names.size() > shown) out += fmt::format(" and {} more", names.size() - shown);
    return out;
}

struct Verdict {
    Literal css_class;
    std::string words, more;
};

// Of what nothing is known nothing good can be said.
Verdict unknown(const Report& r, std::size_t open) {
    const auto broken = r.broken();
    std::string more = broken == 0
                           ? "The owner's demands cannot be read."
                           : fmt::format(
                                 "{} cannot be read whole; nothing can be said of modes that are "
                                 "not known.",
                                 counted(broken, "profile"));
    if (open != 0)
        more += fmt::format(" Among the rest: {} that nobody controls, through {}.",
                            counted(open, "flow"), through(r));
    return {"unknown", "Not known whether the modes are apart", std::move(more)};
}

Verdict verdict_of(const Report& r) {
    const auto open = r.count(Control::open);
    if (r.broken() != 0 || !r.policy.unknown.empty()) return unknown(r, open);
    if (open != 0)
        return {"bad", fmt::format("{} that nobody controls", counted(open, "flow")),
                fmt::format("Through {}: what one mode does or writes there, another can find "
                            "out.",
                            through(r))};
    if (r.separation->modes.empty())
        return {"unknown", "No mode at all", "There is no profile to show."};
    if (r.separation->modes.size() < 2)
        return {"good", "One mode, and none beside it", "Nothing can flow to another."};
    if (r.separation->flows.empty())
        return {"good", "Nothing flows between the modes", "They share nothing at all."};
    return {"good", "No flow that nobody controls",
            r.count(Control::consented) == 0
                ? "Somebody decides what passes through everything that modes share."
                : "Somebody decides what passes, or the owner has accepted it."};
}

void add_fact(Markup& to, std::size_t number, std::string_view words, Literal css_class) {
    to.tag("<div class=\"").tag(css_class);
    if (number == 0) to.tag(" zero");
    to.tag("\"><dt>").text(words).tag("</dt><dd>").number(number).tag("</dd></div>\n");
}

void add_facts(Markup& to, const Report& r) {
    to.tag("<dl class=\"facts\">\n");
    add_fact(to, r.modes.size(), r.modes.size() == 1 ? "mode" : "modes", "plain");
    add_fact(to, r.count(Control::open), "open", "open");
    add_fact(to, r.count(Control::consented), "consented", "consented");
    add_fact(to, r.count(Control::arbitrated), "arbitrated", "arbitrated");
    const auto findings = [&](Severity severity, Literal css_class) {
        const auto number = r.count(severity);
        const std::string name(policy::severity_name(severity));
        add_fact(to, number, number == 1 ? name : name + "s", css_class);
    };
    findings(Severity::error, "error");
    findings(Severity::warning, "warning");
    findings(Severity::note, "note");
    to.tag("</dl>\n");
}

void add_top(Markup& to, const Report& r) {
    const auto verdict = verdict_of(r);
    to.tag("<header>\n<p class=\"kicker\">Policy report <code>")
        .text(r.title)
        .tag("</code></p>\n<h1 class=\"")
        .tag(verdict.css_class)
        .tag("\">")
        .text(verdict.words)
        .tag("</h1>\n<p class=\"lede\">")
        .text(verdict.more)
        .tag("</p>\n");
    if (const auto refused =
            static_cast<std::size_t>(std::ranges::count(r.modes, false, &ModeSection::loads));
        refused != 0)
        to.tag("<p class=\"lede bad\">")
            .text(counted(refused, "mode"))
            .text(refused == 1 ? " does not load" : " do not load")
            .tag(": <a href=\"#findings\">see why</a>.</p>\n");
    add_facts(to, r);
    to.tag("<nav aria-label=\"Parts of this page\">");
    if (r.comparison) to.tag("<a href=\"#changes\">Changes</a> ");
    to.tag(
        "<a href=\"#flows\">Flows</a> "
        "<a href=\"#reach\">Reach</a> <a href=\"#findings\">Findings</a> "
        "<a href=\"#modes\">Modes</a> <a href=\"#sources\">Sources</a></nav>\n</header>\n");
}

}  // namespace

Places::Places(const Report& report) : report_(report) {
    for (const auto& [name, text] : report.policy.texts) {
        numbers_.emplace(name, numbers_.size() + 1);
        lines_.emplace(name, std::min(count_lines(text), kMaxLines));
    }
}

std::size_t Places::lines_of(const std::string& file) const { return lines_.at(file); }

std::string Places::file_name(const std::string& file) const {
    const std::string& top = report_.title;
    if (file.size() > top.size() + 1 && file.starts_with(top)) {
        if (top.ends_with('/')) return file.substr(top.size());
        if (file[top.size()] == '/') return file.substr(top.size() + 1);
    }
    return file;
}

std::string Places::name(const policy::Location& at) const {
    const auto file = file_name(at.file);
    return at.line == 0 ? file : fmt::format("{}:{}", file, at.line);
}

void Places::link(Markup& to, const policy::Location& at) const { link(to, at, name(at)); }

void Places::link(Markup& to, const policy::Location& at, std::string_view words) const {
    const auto known = numbers_.find(at.file);
    if (known == numbers_.end()) {
        to.tag("<code class=\"at\">").text(words).tag("</code>");
        return;
    }
    to.tag("<a class=\"at\" href=\"#s").number(known->second);
    if (at.line != 0 && at.line <= lines_of(at.file)) to.tag("-").number(at.line);
    to.tag("\" title=\"").text(policy::to_text(at)).tag("\">").text(words).tag("</a>");
}

std::string report_page(const Report& r) {
    const Places places(r);
    Markup page;
    page.tag(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
            "style-src 'sha256-")
        .text(base64_sha256(std::string(page_style().text()) + std::string(map_style().text())))
        .tag(
            "'; base-uri 'none'; form-action 'none'\">\n"
            "<meta name=\"referrer\" content=\"no-referrer\">\n"
            "<meta name=\"color-scheme\" content=\"light dark\">\n<title>Policy report: ")
        .text(r.title)
        .tag("</title>\n<style>")
        .tag(page_style())
        .tag(map_style())
        .tag("</style>\n</head>\n<body>\n");
    add_top(page, r);
    page.tag("<main>\n");
    if (r.comparison) add_changes(page, *r.comparison, places);
    add_flows(page, r, places);
    add_reach(page, r, places);
    add_findings(page, r, places);
    add_modes(page, r, places);
    add_sources(page, r, places);
    page.tag("</main>\n<footer><p>By pmosctl ")
        .text(PMOS_VERSION)
        .tag(", from texts whose SHA-256 is <code>")
        .text(r.digest)
        .tag(
            "</code>. What the model of flows covers, and what not, is in pmos's "
            "docs/separation.md; the exposure is a measure to compare by and proves nothing."
            "</p></footer>\n</body>\n</html>\n");
    return page.take();
}

}  // namespace pmos::cli
