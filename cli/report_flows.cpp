// cli: the part of a report that shows what flows between modes: the drawing, and the same in
// words.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>

#include "cli/map.h"
#include "cli/output.h"
#include "cli/report_page.h"
#include "policy/names.h"

namespace pmos::cli {
namespace {

using policy::Channel;
using policy::Control;

// More ends than this are folded.
constexpr std::size_t kMaxEnds = 8;
// Ways over third modes grow with the square of the modes.
constexpr std::size_t kMaxWays = 500;

void add_figure(Markup& to, const Report& r) {
    to.tag("<figure>\n");
    to.tag(
        "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Drawing of the "
        "flows\">\n");
    add_svg(to, draw(*r.separation, r.channels, Shape::wide), "wide");
    add_svg(to, draw(*r.separation, r.channels, Shape::narrow), "narrow");
    to.tag(
        "</div>\n<figcaption>An arrow points at who hears. <span class=\"key open\">open: nobody "
        "controls it</span> <span class=\"key consented\">consented: the owner has accepted "
        "it</span> <span class=\"key arbitrated\">arbitrated: somebody decides what passes"
        "</span>");
    if (std::ranges::any_of(r.channels, [](const Channel& c) { return !c.enforced; }))
        to.tag(" <span class=\"key later\">dashed: this build does not grant it yet</span>");
    to.tag("</figcaption>\n</figure>\n");
}

void add_ends(Markup& to, const Report& r, const Channel& c, const Places& places) {
    to.tag("<ul class=\"ends\">\n");
    for (const auto& [mode, access] : c.ends) {
        const auto& a = r.separation->access({mode, access});
        to.tag("<li><b>")
            .text(r.separation->modes[mode].mode)
            .tag("</b> can ")
            .text(policy::rights_text(a.rights))
            .tag(" <span class=\"how\">(")
            .text(a.how)
            .tag(")</span> ");
        places.link(to, a.at);
        to.tag("</li>\n");
    }
    to.tag("</ul>\n");
}

void add_channel(Markup& to, const Report& r, const Channel& c, const Places& places) {
    const auto word = policy::word_at(policy::kControlNames, c.control);
    to.tag("<li class=\"")
        .tag(control_class(c.control))
        .tag("\"><h3><span class=\"tag\">")
        .text(word)
        .tag("</span> <code>")
        .text(c.resource)
        .tag("</code></h3>\n<p>")
        .text(channel_note(c))
        .tag(". <span class=\"way\">");
    const bool many = c.senders.size() + c.receivers.size() > 2 * kMaxEnds;
    if (many)
        to.text(fmt::format("{} can send, {} can hear", counted(c.senders.size(), "mode"),
                            counted(c.receivers.size(), "mode")));
    else
        to.text(channel_way(*r.separation, c));
    to.tag("</span>");
    for (const auto& at : c.consents) {
        to.tag(" Accepted in ");
        places.link(to, at);
        to.tag(".");
    }
    to.tag("</p>\n");
    if (c.ends.size() > kMaxEnds)
        to.tag("<details><summary>")
            .text(counted(c.ends.size(), "end"))
            .tag(" and their lines</summary>\n");
    add_ends(to, r, c, places);
    if (c.ends.size() > kMaxEnds) to.tag("</details>\n");
    to.tag("</li>\n");
}

void add_ways(Markup& to, const Report& r) {
    if (r.separation->indirect.empty()) return;
    const auto& ways = r.separation->indirect;
    const bool many = ways.size() > kMaxEnds;
    to.tag("<h3>Ways over a third mode</h3>\n");
    if (many)
        to.tag("<details><summary>")
            .number(ways.size())
            .tag(" ways, by the flows above</summary>\n");
    to.tag("<ul class=\"plain ways\">\n");
    for (const auto& way : std::span(ways).first(std::min(ways.size(), kMaxWays))) {
        std::vector<std::string_view> steps;
        for (const auto mode : way) steps.push_back(r.separation->modes[mode].mode);
        to.tag("<li>").text(fmt::format("{}", fmt::join(steps, " → "))).tag("</li>\n");
    }
    if (ways.size() > kMaxWays)
        to.tag("<li>and ")
            .number(ways.size() - kMaxWays)
            .tag(" more: <code>pmosctl policy separation</code></li>\n");
    to.tag("</ul>\n");
    if (many) to.tag("</details>\n");
}

// Counters with the same readers make one line.
void add_counters(Markup& to, const Report& r) {
    const auto& s = *r.separation;
    std::map<std::string_view, std::vector<std::string_view>> readers;
    for (std::size_t m = 0; m < s.modes.size(); ++m)
        for (const policy::Access* a : s.counters(m))
            readers[a->resource].push_back(s.modes[m].mode);
    std::map<std::vector<std::string_view>, std::vector<std::string_view>> lines;
    for (const auto& [counter, modes] : readers) lines[modes].push_back(counter);
    if (lines.empty()) return;
    to.tag(
        "<h3>Numbers about the whole machine</h3>\n<p>No flow that a profile could close: every "
        "program moves them. Who can read them learns how busy all modes are together.</p>\n"
        "<ul class=\"plain\">\n");
    for (const auto& [modes, names] : lines) {
        to.tag("<li><b>");
        if (modes.size() == s.modes.size() && modes.size() > 2)
            to.text("every mode");
        else
            to.text(fmt::format("{}", fmt::join(modes, ", ")));
        to.tag("</b> <code>").text(fmt::format("{}", fmt::join(names, " "))).tag("</code></li>\n");
    }
    to.tag("</ul>\n");
}

}  // namespace

void add_flows(Markup& to, const Report& r, const Places& places) {
    to.tag("<section id=\"flows\">\n<h2>What flows between modes</h2>\n");
    add_figure(to, r);
    to.tag("<ul class=\"channels\">\n");
    for (const auto& channel : r.channels) add_channel(to, r, channel, places);
    to.tag("</ul>\n");
    add_ways(to, r);
    add_counters(to, r);
    to.tag("</section>\n");
}

}  // namespace pmos::cli
