// cli: the part of a report that says what has changed since an earlier policy.
#include <fmt/format.h>

#include <algorithm>

#include "cli/output.h"
#include "cli/report_page.h"
#include "policy/names.h"

namespace pmos::cli {
namespace {

using policy::Change;
using policy::Danger;
using policy::Turn;

// More items than this are folded.
constexpr std::size_t kMaxItems = 12;

Literal danger_class(const Change& change) {
    if (change.danger >= Danger::serious) return "error";
    if (change.danger >= Danger::slight) return "warning";
    return change.turn == Turn::loss ? Literal("loss") : Literal("note");
}

std::string_view tag_of(const Change& change) {
    if (change.danger != Danger::none) return policy::word_at(policy::kDangerNames, change.danger);
    return policy::word_at(policy::kTurnNames, change.turn);
}

// The page holds no line of what came before.
std::string old_name(const policy::Location& at, std::string_view directory) {
    std::string_view file = at.file;
    if (file.starts_with(directory)) file.remove_prefix(directory.size());
    while (file.starts_with('/') && file.size() < at.file.size()) file.remove_prefix(1);
    return at.line == 0 ? std::string(file) : fmt::format("{}:{}", file, at.line);
}

void add_places(Markup& to, const Change& change, std::string_view before, const Places& places) {
    to.tag("<p class=\"where\">");
    if (!change.b.file.empty()) {
        to.tag("now ");
        places.link(to, change.b);
    }
    if (!change.a.file.empty())
        to.tag(change.b.file.empty() ? Literal("before <code>") : Literal(", before <code>"))
            .text(old_name(change.a, before))
            .tag("</code>");
    to.tag("</p>\n");
}

void add_change(Markup& to, const Change& change, std::string_view before, const Places& places) {
    to.tag("<li class=\"")
        .tag(danger_class(change))
        .tag("\"><h3><span class=\"tag\">")
        .text(tag_of(change))
        .tag("</span> ")
        .text(change.words)
        .tag("</h3>\n");
    const bool told = std::ranges::all_of(
        change.items, [&](const std::string& item) { return change.words.contains(item); });
    if (!told) {
        const bool many = change.items.size() > kMaxItems;
        if (many)
            to.tag("<details><summary>")
                .text(counted(change.items.size(), "item"))
                .tag("</summary>\n");
        to.tag("<p class=\"items\">");
        for (const auto& item : change.items) to.tag("<code>").text(item).tag("</code> ");
        to.tag("</p>\n");
        if (many) to.tag("</details>\n");
    }
    add_places(to, change, before, places);
    to.tag("</li>\n");
}

}  // namespace

void add_changes(Markup& to, const Comparison& comparison, const Places& places) {
    const auto& changes = comparison.changes;
    to.tag("<section id=\"changes\">\n<h2>What has changed</h2>\n<p>Since <code>")
        .text(comparison.with)
        .tag("</code>, the worst first: ");
    if (changes.empty()) {
        to.tag("nothing. Both mean the same.</p>\n</section>\n");
        return;
    }
    for (const auto danger : {Danger::severe, Danger::serious, Danger::moderate, Danger::slight}) {
        const auto count = std::ranges::count(changes, danger, &Change::danger);
        if (count == 0) continue;
        to.number(count).tag(" ").text(policy::word_at(policy::kDangerNames, danger)).tag(", ");
    }
    to.number(std::ranges::count(changes, Danger::none, &Change::danger))
        .tag(" without danger.</p>\n<ol class=\"findings changes\">\n");
    for (const auto& change : changes) add_change(to, change, comparison.with, places);
    to.tag("</ol>\n</section>\n");
}

}  // namespace pmos::cli
